"""The state of a training: what is needed to resume it, beside the weights and the state of the optimizer."""

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
    """The state of a training, which is the same on all processes and is stored as JSON."""

    total_steps: int
    step: int = 0
    epoch: int = 0
    position: int = 0
    """Number of steps of this epoch that are done."""
    best_value: float | None = None
    best_loss: float | None = None
    """Dev loss of the best step, which decides between equal values of the best metric."""
    best_step: int = 0
    has_gained: bool = False
    """Whether an evaluation has been better than the first one."""
    evaluations_without_gain: int = 0
    """Number of consecutive evaluations without gain, which `patience` limits."""
    last_evaluated: int = -1
    dev: dict[str, float] = field(default_factory=dict)
    stop_requested: bool = False
    """Whether a callback has requested the end of the training."""
    parts: int = 1
    """Number of micro-batches into which each batch is split; more than 1 once memory has not sufficed."""
    largest: int = 0
    """Number of token positions of the largest micro-batch for which memory has sufficed."""
    skipped_steps: int = 0
    """Number of steps that were skipped because their loss or gradient was not finite."""
    overflows: int = 0
    """Number of consecutive steps that fp16's gradient scaling has skipped."""

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Set the stored values, except `total_steps`, which the recipe determines."""
        for stored_name, value in stored.items():
            name = _FORMER_NAMES.get(stored_name, stored_name)
            if name != "total_steps":
                setattr(self, name, value)


@dataclass
class MeanLoss:
    """A loss averaged over targets; the sum stays on the device, so that no step waits for it.

    Args:
        total: Sum of the losses of this process's targets in nats, a scalar.
        targets: Number of targets over all processes.
    """

    total: Tensor
    targets: int = 0

    def add(self, loss: Tensor, targets: int) -> None:
        """Add the loss of a step.

        Args:
            loss: Sum of the losses of this process's targets, a scalar.
            targets: Number of targets of the step over all processes.
        """
        self.total += loss
        self.targets += targets

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to continue."""
        return {"total": self.total, "targets": self.targets}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""
        self.total.copy_(stored["total"])
        self.targets = stored["targets"]


def random_states() -> dict[str, Any]:
    """Return the states of this process's random generators: Python, numpy, and torch on the CPU and on GPUs."""
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
    """Set the random generators to states that `random_states` returned."""
    random.setstate(states["python"])
    name, words, *rest = states["numpy"]
    np.random.set_state((name, words.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if "cuda" in states:
        torch.cuda.set_rng_state_all(states["cuda"])
