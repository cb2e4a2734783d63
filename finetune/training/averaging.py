"""Averages of the weights over the training steps, which are evaluated and saved in place of the last weights."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType
from torch import Tensor, nn

from finetune.errors import UserError
from finetune.recipe import Training

_WARMUP = 10
"""After n steps the decay is at most (1 + n) / (_WARMUP + n), as in TensorFlow's ExponentialMovingAverage."""


class Averaging:
    """The base class, which does not average: the weights themselves are evaluated and saved.

    Args:
        model: The model as accelerate prepared it.
        optimizer: The optimizer of torch that accelerate wraps.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.weights: list[Tensor] = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = optimizer

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the model the average as its weights inside this block.

        Afterwards the model has its own weights again, bit for bit.
        """
        yield

    def state_dict(self) -> dict[str, Any]:
        """Return what `load_state_dict` needs to continue."""
        return {}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Continue from what `state_dict` returned."""

    @contextmanager
    def _swapped(self) -> Iterator[None]:
        kept = [weight.detach().clone() for weight in self.weights]
        try:
            yield
        finally:
            _copy(kept, self.weights)


class ExponentialAverage(Averaging):
    """An exponential moving average of the weights.

    Averaging goes back to Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992; this form
    is that of Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016. The average is updated
    after each step that the optimizer takes, and not after a step that is skipped.

    Args:
        model: The model as accelerate prepared it.
        optimizer: The optimizer of torch that accelerate wraps.
        decay: Share of its own value that the average keeps at each step, from 0 to 1.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, decay: float) -> None:
        super().__init__(model, optimizer)
        self.decay = decay
        self.steps = 0
        self.average = [weight.detach().clone() for weight in self.weights]
        optimizer.register_step_post_hook(lambda *_: self._update())

    @torch.no_grad()
    def _update(self) -> None:
        """Move the average towards the weights: average = decay * average + (1 - decay) * weights."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (_WARMUP + self.steps))
        torch._foreach_lerp_(self.average, self.weights, 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        with self._swapped():
            _copy(self.average, self.weights)
            yield

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self.steps, "average": self.average}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        self.steps = stored["steps"]
        _copy(stored["average"], self.average)


class ScheduleFreeAverage(Averaging):
    """The average that a schedule-free optimizer keeps (Defazio et al., "The Road Less Scheduled", 2024)."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        optimizer: Any = self.optimizer
        with self._swapped():
            optimizer.eval()
            try:
                yield
            finally:
                optimizer.train()  # back to the weights, but for rounding, which _swapped undoes


def build_averaging(
    model: nn.Module, optimizer: torch.optim.Optimizer, training: Training, accelerator: Accelerator
) -> Averaging:
    """Return the average of the weights that the recipe names; accelerate saves and loads it with its own state.

    Args:
        model: The model as accelerate prepared it.
        optimizer: The optimizer of torch that accelerate wraps.
        training: The recipe's `training` section, whose keys `ema` and `optimizer` are read.
        accelerator: The accelerator of the run.

    Raises:
        UserError: The weights are to be averaged under DeepSpeed, which keeps them in its own buffers.
    """
    is_averaged = training.ema > 0 or training.optimizer == "schedule_free"
    if is_averaged and accelerator.distributed_type == DistributedType.DEEPSPEED:
        raise UserError(
            "weights cannot be averaged under DeepSpeed, which keeps them in its own buffers",
            where="training.ema" if training.ema else "training.optimizer",
            fix="launch with DDP or FSDP (configs/accelerate), or train without an average",
        )
    if training.optimizer == "schedule_free":
        return ScheduleFreeAverage(model, optimizer)
    if not training.ema:
        return Averaging(model, optimizer)
    average = ExponentialAverage(model, optimizer, training.ema)
    accelerator.register_for_checkpointing(average)
    return average


@torch.no_grad()
def _copy(sources: Sequence[Tensor], targets: Sequence[Tensor]) -> None:
    for source, target in zip(sources, targets, strict=True):
        target.copy_(source)
