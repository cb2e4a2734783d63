"""The state of a training is restored from JSON, and random generators to the bit."""

import json
import random
from dataclasses import asdict, replace

import numpy as np
import torch

from finetune.checkpointing import state
from finetune.checkpointing.state import MeanLoss, TrainingState


def test_random_states_are_put_back() -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    before = state.random_states()
    first = drawn()
    assert drawn() != first
    state.restore_random_states(before)
    assert drawn() == first


def test_a_training_continues_from_json() -> None:
    state = TrainingState(total_steps=10, step=4, best_value=0.5, dev={"loss": 1.0}, skipped_steps=2)
    restored = TrainingState(total_steps=20)
    restored.restore(json.loads(json.dumps(asdict(state))))
    assert restored == replace(state, total_steps=20)


def test_fields_are_read_under_their_former_names() -> None:
    state = TrainingState(total_steps=10)
    state.restore({"left_out": 3})
    assert state.skipped_steps == 3


def test_a_mean_continues_from_its_state() -> None:
    mean = MeanLoss(torch.zeros(()))
    mean.add(torch.tensor(6.0), 3)
    continued = MeanLoss(torch.zeros(()))
    continued.load_state_dict(mean.state_dict())
    mean.add(torch.tensor(2.0), 1)
    assert (float(continued.total), continued.targets) == (6.0, 3)
    continued.add(torch.tensor(2.0), 1)
    assert float(continued.total) / continued.targets == float(mean.total) / mean.targets == 2.0
