"""peft's own loaders refuse adapters under masks."""

import json
from pathlib import Path

import pytest

from finetune.attention.standalone.adapters import ADAPTER_CONFIG, lock_adapter, unlocked

peft = pytest.importorskip("peft")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The folder of a LoRA configuration."""
    peft.LoraConfig(task_type="TOKEN_CLS", target_modules=["query"]).save_pretrained(tmp_path)
    return tmp_path


def test_a_locked_configuration_is_refused_with_the_way_to_load_it(saved: Path) -> None:
    lock_adapter(saved / ADAPTER_CONFIG)
    with pytest.raises((KeyError, ValueError), match=r"under masks: finetune\.load loads it"):
        peft.PeftConfig.from_pretrained(saved)


def test_unlocking_gives_the_configuration_before_the_lock_however_often_it_was_locked(saved: Path) -> None:
    before = json.loads((saved / ADAPTER_CONFIG).read_text())
    for _ in range(2):
        lock_adapter(saved / ADAPTER_CONFIG)
        locked = json.loads((saved / ADAPTER_CONFIG).read_text())
        assert locked != before
        assert unlocked(locked) == before
    assert unlocked(before) == before
