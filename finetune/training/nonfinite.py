"""Losses and gradients that are not finite: no step is taken on them, and the error names examples and likely cause.

A GPU is not waited for: whether to step is decided on the device, and read on the CPU one step later.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor

from finetune.data.batches import Indices
from finetune.errors import UserError
from finetune.hardware.sharding import is_plain
from finetune.training.run import Run

_SHOWN = 10
"""Examples named in a message."""
MOST_OVERFLOWS = 20
"""Steps in a row that fp16's gradient scaling may skip: its scale, 65,536 at first, is far below 1 by then."""


@dataclass(frozen=True)
class StepFlags:
    """What the processes agreed on after a step, and what this process computed in it.

    Args:
        step: Number of the step, counted from 1.
        losses: The loss of each micro-batch of this process, a scalar summed over its targets.
        indices: The features of each micro-batch; int64, [examples] each.
        loss: This process's part of the step's loss, a scalar summed over its targets.
        targets: Number of targets of the step over all processes.
        flags: float32 [2], the same on all processes: above 0 where the loss or the gradient is not finite; above 0
            where a process was told to end.
        ready: Event after which `flags`, copied from a GPU, can be read on the CPU; None where they can be read.
    """

    step: int
    losses: Sequence[Tensor]
    indices: Sequence[Indices]
    loss: Tensor
    targets: int
    flags: Tensor
    ready: torch.cuda.Event | None = None

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are finite."""
        return self._flag(0) == 0

    @property
    def is_last(self) -> bool:
        """Whether a process was told to end."""
        return self._flag(1) > 0

    @property
    def finite_loss(self) -> Tensor:
        """The loss, 0 where the step is not finite; found without waiting for the device."""
        return self.loss.masked_fill(self.flags[0] > 0, 0.0)

    def _flag(self, number: int) -> float:
        if self.ready is not None:
            self.ready.synchronize()
        return float(self.flags[number])


class StepFlagsQueue:
    """Returns each step's flags when they can be read: at once on a CPU, one step later on a GPU, without waiting."""

    def __init__(self) -> None:
        self._waiting: StepFlags | None = None

    def put(self, flags: StepFlags) -> StepFlags | None:
        """Take the flags of a step; return those that can be read now, which on a GPU are the step's before."""
        if flags.flags.device.type != "cuda":
            return flags
        on_host = torch.empty(flags.flags.shape, dtype=flags.flags.dtype, pin_memory=True)
        on_host.copy_(flags.flags, non_blocking=True)
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record()
        before, self._waiting = self._waiting, replace(flags, flags=on_host, ready=ready)
        return before

    def last(self) -> StepFlags | None:
        """Return the flags that `put` has not returned yet, if any; reading them waits for the device."""
        before, self._waiting = self._waiting, None
        return before


def guarded_step(
    accelerator: Accelerator,
    optimizer: AcceleratedOptimizer,
    loss: Tensor,
    clipped: tuple[Tensor | None, Tensor | None],
    *,
    told_to_end: bool,
) -> Tensor:
    """Step the optimizer unless the loss or the gradient is not finite on some process.

    Under fp16, accelerate's gradient scaler decides by the gradient alone, and halves its scale where it skips a step.

    Args:
        accelerator: The accelerator of the run.
        optimizer: The optimizer that it prepared.
        loss: This process's part of the loss, a scalar.
        clipped: What `Gradients.clip` returned: the gradient's norm, and the scalar to divide the gradient by.
        told_to_end: Whether this process was told to end.

    Returns:
        The flags that `agree` returns.
    """
    norm, divisor = clipped
    is_scaled = optimizer.scaler is not None
    flags = agree(accelerator, loss, None if is_scaled else norm, told_to_end=told_to_end)
    if is_scaled:
        optimizer.step()
    else:
        step_where_finite(optimizer.optimizer if is_plain(accelerator) else optimizer, flags[0], divisor)
    return flags


def agree(accelerator: Accelerator, loss: Tensor, norm: Tensor | None, *, told_to_end: bool) -> Tensor:
    """Return what the processes agree on after a step; float32 [2] on the device.

    Args:
        accelerator: The accelerator of the run.
        loss: This process's part of the loss, a scalar.
        norm: The gradient's norm, the same on all processes; None where it may overflow.
        told_to_end: Whether this process was told to end.

    Returns:
        Two numbers that are above 0 if on some process the loss or the gradient is not finite, and if some process was
        told to end.
    """
    is_finite = loss.isfinite() if norm is None else loss.isfinite() & norm.isfinite()
    told = torch.full((), float(told_to_end), device=loss.device)
    found = torch.stack([(~is_finite).float(), told])
    agreed: Tensor = accelerator.reduce(found, reduction="sum") if accelerator.num_processes > 1 else found
    return agreed


def step_where_finite(optimizer: Any, not_finite: Tensor, divisor: Tensor | None = None) -> None:
    """Step unless `not_finite`, a float32 scalar, is above 0; waits for the device only where the optimizer must.

    Args:
        optimizer: torch's optimizer, or one that wraps it.
        not_finite: Above 0 where the loss or the gradient is not finite; float32 scalar.
        divisor: Scalar that the gradient is divided by, for an optimizer that `reads_on_device`.
    """
    if not_finite.device.type == "cpu" and not_finite.item() > 0:
        return
    if divisor is None and not reads_on_device(optimizer):
        if not_finite.item() == 0:
            optimizer.step()
        return
    optimizer.grad_scale, optimizer.found_inf = divisor, (not_finite > 0).float()
    optimizer.step()
    del optimizer.grad_scale, optimizer.found_inf


def reads_on_device(optimizer: Any) -> bool:
    """Whether a step reads on the device what to divide the gradient by, and whether to be taken at all.

    torch's fused optimizers do, as they must under gradient scaling; hooks after the step could not.
    """
    return getattr(optimizer, "_step_supports_amp_scaling", False) and not optimizer._optimizer_step_post_hooks


def nonfinite_error(run: Run, flags: StepFlags, rate: float, skipped_steps: int) -> UserError:
    """Return the error to raise when the loss or the gradient is not finite: step, examples and likely cause.

    Args:
        run: The run.
        flags: The step's flags.
        rate: The learning rate of the step.
        skipped_steps: Number of steps that were skipped before it.
    """
    odd = [not bool(loss.isfinite()) for loss in flags.losses]
    in_loss = any(odd)
    indices = [one for one, is_odd in zip(flags.indices, odd, strict=True) if is_odd or not in_loss]
    limit = run.recipe.training.max_left_out
    after = f", after {skipped_steps} that were skipped (training.max_left_out={limit})" if skipped_steps else ""
    values = ", ".join(sorted({str(loss.item()) for loss in flags.losses}))
    return UserError(
        f"the {'loss' if in_loss else 'gradient'} is not finite at step {flags.step}{after}",
        expected="numbers",
        found=f"losses of {values}" if in_loss else "a gradient that is infinite or NaN",
        where=f"train {_examples(run, indices)}",
        fix=_cause(run, rate),
    )


def _examples(run: Run, micro_batches: Sequence[Indices]) -> str:
    column = run.encoded["train"].features.columns["example"].values
    examples = sorted({int(column[index]) for indices in micro_batches for index in indices})
    more = f" and {len(examples) - _SHOWN} more" if len(examples) > _SHOWN else ""
    return f"examples {', '.join(map(str, examples[:_SHOWN]))}{more} (counted from 0)"


def _cause(run: Run, rate: float) -> str:
    if any(not bool(weight.isfinite().all()) for weight in run.model.parameters()):
        return "the model's weights are not finite themselves: start from others"
    if run.precision.name == "fp16":
        return "training.precision=bf16 (or fp32): fp16 ends at 65,504, which T5's activations exceed"
    lower = f"training.learning_rate={rate / 10:.1g} (it was {rate:.1e} at this step)"
    clip = "" if run.recipe.training.max_grad_norm else ", or training.max_grad_norm=1"
    return f"{lower}{clip}; training.on_nonfinite=skip skips such steps"
