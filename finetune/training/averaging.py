"""Averages of the weights over the steps, which are scored and saved in place of the last weights."""

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
"""After n steps the average keeps at most (1 + n) / (_WARMUP + n) of itself, as TensorFlow's does."""


class Averaging:
    """No average: the weights themselves are scored and saved.

    Args:
        model: As accelerate prepared it.
        optimizer: torch's own, which accelerate wraps.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.weights: list[Tensor] = [weight for weight in model.parameters() if weight.requires_grad]
        self.optimizer = optimizer

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The model has the average as its weights in this block, and after it its own again, to the bit."""
        yield

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes."""
        return {}

    def load_state_dict(self, stored: Mapping[str, Any]) -> None:
        """Go on from what was stored."""

    @contextmanager
    def _swapped(self) -> Iterator[None]:
        kept = [weight.detach().clone() for weight in self.weights]
        try:
            yield
        finally:
            _copy(kept, self.weights)


class ExponentialAverage(Averaging):
    """An exponential moving average (Polyak and Juditsky 1992; in this form Szegedy et al. 2016).

    It follows each step that the optimizer takes, and none that is skipped.

    Args:
        model: As accelerate prepared it.
        optimizer: torch's own, which accelerate wraps.
        decay: Share of itself that the average keeps in a step.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, decay: float) -> None:
        super().__init__(model, optimizer)
        self.decay = decay
        self.steps = 0
        self.average = [weight.detach().clone() for weight in self.weights]
        optimizer.register_step_post_hook(lambda *_: self._follow())

    @torch.no_grad()
    def _follow(self) -> None:
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
    """The average that a schedule-free optimizer keeps (Defazio et al. 2024)."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        optimizer: Any = self.optimizer
        with self._swapped():
            optimizer.eval()
            try:
                yield
            finally:
                optimizer.train()  # _swapped then undoes its rounding


def build_averaging(
    model: nn.Module, optimizer: torch.optim.Optimizer, training: Training, accelerator: Accelerator
) -> Averaging:
    """The average that the recipe asks for, stored and loaded with accelerate's state.

    Raises:
        UserError: DeepSpeed holds the weights where no average can follow them.
    """
    is_averaged = training.ema > 0 or training.optimizer == "schedule_free"
    if is_averaged and accelerator.distributed_type == DistributedType.DEEPSPEED:
        raise UserError(
            "weights are not averaged under DeepSpeed, which keeps them to itself",
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
