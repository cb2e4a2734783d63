"""With each method, a run that was killed ends with the bits of one that was not."""

import random
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from finetune import compose, models
from finetune.recipe import Recipe
from finetune.run import status
from finetune.training.run import prepare
from tests.checkpointing.runs import SMALL, assert_same_bits, elsewhere, killed_at, only_run, small
from tests.training.processes import finish, start

Toy = Callable[..., Recipe]

PRETRAINED: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "lora": ("text_classification", "bert", {"adapter.kind": "lora", "adapter.dropout": 0.1, "training.ema": 0.9}),
    "lora_merged": ("text_to_text", "t5", {"adapter.kind": "lora", "adapter.merge": True, "adapter.dropout": 0.1}),
    "ia3": ("token_classification", "bert", {"adapter.kind": "ia3", "training.class_weights": "balanced"}),
    "prefix_tuning": ("text_classification", "bert", {"adapter.kind": "prefix_tuning"}),
}
"""Adapters, with the task and the model that each is put on; two of them together with another method."""
FROM_SCRATCH: dict[str, Mapping[str, Any]] = {
    "ema": {"training.ema": 0.9, "training.freeze": ["bert.embeddings"], "training.layer_decay": 0.8},
    "schedule_free": {"training.optimizer": "schedule_free", "training.schedule": "constant", "training.warmup": 3},
    "adafactor": {"training.optimizer": "adafactor", "training.label_smoothing": 0.1},
}


def on_pretrained(toy: Toy, folder: Path, case: str) -> Recipe:
    """A recipe that adapts a saved model with random weights."""
    kind, architecture, overrides = PRETRAINED[case]
    recipe = toy(kind, architecture, train=48, held_out=12, **SMALL)
    run = prepare(compose.override(recipe, {"output_dir": str(folder / "base_runs")}))
    models.save_weights(run.model, folder / "base")
    run.context.tokenizer.save_pretrained(folder / "base")
    start_from = {"model.scratch": None, "model.name": str(folder / "base")}
    return compose.override(recipe, start_from | dict(overrides))


@pytest.mark.parametrize("case", [*FROM_SCRATCH, *PRETRAINED])
def test_killed_with_a_method_it_ends_with_the_same_bits(toy: Toy, tmp_path: Path, case: str) -> None:
    if case in PRETRAINED:
        pytest.importorskip("peft")
    recipe = on_pretrained(toy, tmp_path, case) if case in PRETRAINED else small(toy, **FROM_SCRATCH[case])
    log = tmp_path / "log"
    assert finish(start(killed_at(recipe, None), log)) == [0], log.read_text()
    events = int((tmp_path / "events").read_text())
    resumed = compose.override(elsewhere(recipe, "resumed"), {"resume": "auto"})
    event = random.Random(case).randrange(events // 3, events * 3 // 4)  # after a checkpoint, and before the end
    assert finish(start(killed_at(resumed, event), log)) == [-signal.SIGKILL], log.read_text()
    assert finish(start(lambda: status(resumed), log)) == [0], log.read_text()
    assert "resuming after step" in log.read_text()
    assert_same_bits(only_run(recipe), only_run(resumed))
    is_adapter = (only_run(recipe) / "model" / "adapter_model.safetensors").is_file()
    assert is_adapter == (recipe.adapter is not None and not recipe.adapter.merge)
