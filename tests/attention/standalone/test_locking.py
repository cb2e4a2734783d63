"""Locked configurations, which stock classes cannot load."""

from typing import Any

import pytest

from finetune.attention.standalone.locking import LOCK, LOCKED, lock, unlock
from tests.attention.pretrained.tiny import MODELS, build


@pytest.mark.parametrize("name", MODELS)
def test_a_locked_configuration_opens_as_it_was(name: str) -> None:
    config = build(name).config.to_dict()
    locked = lock(config)
    assert locked != config
    assert unlock(locked) == unlock(config) == config


@pytest.mark.parametrize("name", MODELS)
def test_the_class_of_a_locked_configuration_refuses_it_by_the_name_of_the_lock(name: str) -> None:
    config: Any = build(name).config
    with pytest.raises(Exception, match=LOCK):
        type(config).from_dict(lock(config.to_dict()))


def test_a_lock_replaces_the_number_of_layers_and_nothing_else() -> None:
    config = {"model_type": "bert", "num_hidden_layers": 3, "hidden_size": 8}
    assert lock(config) == {**config, "num_hidden_layers": LOCK, LOCKED: {"num_hidden_layers": 3}}
    both = {"model_type": "encoder-decoder", "encoder": config, "decoder": config}
    locked = lock(both)
    assert locked["encoder"]["num_hidden_layers"] == LOCK
    assert locked["decoder"] == config
