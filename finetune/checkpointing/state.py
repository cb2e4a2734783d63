"""Where training stands: everything that a run which goes on must know beside weights and optimizer."""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

_FORMER_NAMES = {"left_out": "skipped_steps"}
"""Fields that checkpoints of earlier versions store under another name."""


@dataclass
class TrainingState:
    """Where training stands, the same on all processes; plain values, stored as JSON."""

    total_steps: int
    step: int = 0
    epoch: int = 0
    position: int = 0
    """Steps done of this epoch."""
    best_value: float | None = None
    best_loss: float | None = None
    """Dev loss of the best step, by which equal values are told apart."""
    best_step: int = 0
    has_gained: bool = False
    """Whether an evaluation has been better than the first."""
    evaluations_without_gain: int = 0
    """Evaluations in a row that patience counts."""
    last_evaluated: int = -1
    dev: dict[str, float] = field(default_factory=dict)
    stop_requested: bool = False
    """Whether a callback has asked to end the training."""
    parts: int = 1
    """Each batch is computed in so many parts, one after another: more than 1 once memory has not sufficed."""
    largest: int = 0
    """Positions of the largest part that has been computed."""
    skipped_steps: int = 0
    """Steps that were skipped because their gradient was not finite."""
    overflows: int = 0
    """Steps in a row that fp16's gradient scaling has skipped."""

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Take over stored values, except how many steps there are."""
        for stored_name, value in stored.items():
            name = _FORMER_NAMES.get(stored_name, stored_name)
            if name != "total_steps":
                setattr(self, name, value)


@dataclass
class MeanLoss:
    """A loss averaged over targets, summed on the device so that no step waits for it."""

    total: Tensor
    targets: int = 0

    def add(self, loss: Tensor, targets: int) -> None:
        """Add the loss summed over this process's part of `targets` targets."""
        self.total += loss
        self.targets += targets

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {"total": self.total, "targets": self.targets}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Go on from a stored sum."""
        self.total.copy_(stored["total"])
        self.targets = stored["targets"]


def random_states() -> dict[str, Any]:
    """States of this process's random generators: Python's, numpy's, and torch's on the CPU and on the GPUs."""
    name, words, position, has_gauss, cached_gaussian = np.random.get_state(legacy=True)  # noqa: NPY002 (not drawn)
    states: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(words).astype(np.int64)), position, has_gauss, cached_gaussian),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state_all()
    return states


def restore_random_states(states: Mapping[str, Any]) -> None:
    """Set the generators to states that `random_states` gave."""
    random.setstate(states["python"])
    name, words, *rest = states["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if "cuda" in states:
        torch.cuda.set_rng_state_all(states["cuda"])
