"""Handling of losses and gradients that are not finite: no optimizer step is taken with them.

The error names the examples of the step and the likely cause. On a GPU, the decision whether to take the step is made
on the device, and the CPU reads it one step later, so that the CPU does not wait for the GPU.
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
"""Number of examples that a message names."""
MOST_OVERFLOWS = 20
"""Consecutive steps that fp16's gradient scaling may skip.

Each of them halves the scale, which is 65,536 = 2**16 at first. After 20 it is far below 1, so that the gradient itself
is not finite.
"""


@dataclass(frozen=True)
class StepFlags:
    """The outcome of a step: what this process computed, and flags that are the same on all processes.

    Args:
        step: Number of the step, counted from 1.
        losses: The loss of each micro-batch of this process, a scalar that is summed over its targets.
        indices: Indices of the features of each micro-batch; int64, [examples] each.
        loss: The loss of this process in the step, a scalar that is summed over its targets.
        targets: Number of targets of the step over all processes.
        flags: float32 [2], the same on all processes. The first is above 0 if the loss or the gradient of a process is
            not finite; the second is above 0 if a process received a signal to end.
        num_processes: Number of processes, over which the targets are spread.
        ready: Event after which `flags` and `loss`, copied from a GPU, can be read on the CPU; None where they can be
            read at once.
    """

    step: int
    losses: Sequence[Tensor]
    indices: Sequence[Indices]
    loss: Tensor
    targets: int
    flags: Tensor
    num_processes: int = 1
    ready: torch.cuda.Event | None = None

    @property
    def is_finite(self) -> bool:
        """Whether the loss and the gradient of all processes are finite."""
        return self._flag(0) == 0

    @property
    def is_last(self) -> bool:
        """Whether a process received a signal to end, so that this step is the last one."""
        return self._flag(1) > 0

    @property
    def finite_loss(self) -> Tensor:
        """The loss, or 0 where the step is not finite; a scalar, computed without waiting for the device."""
        return self.loss.masked_fill(self.flags[0] > 0, 0.0)

    @property
    def mean_loss(self) -> float:
        """The mean of the loss over the targets, in nats; of several processes an estimate by this process's loss."""
        if self.ready is not None:
            self.ready.synchronize()
        return float(self.loss) * self.num_processes / max(self.targets, 1)

    def _flag(self, number: int) -> float:
        if self.ready is not None:
            self.ready.synchronize()
        return float(self.flags[number])


class StepFlagsQueue:
    """Delays flags until they can be read without waiting: not at all on a CPU, and by one step on a GPU."""

    def __init__(self) -> None:
        self._waiting: StepFlags | None = None

    def put(self, flags: StepFlags) -> StepFlags | None:
        """Add the flags of a step, and return those that can be read now: on a GPU, the flags of the previous step."""
        if flags.flags.device.type != "cuda":
            return flags
        on_host, loss = (_copied_to_host(tensor) for tensor in (flags.flags, flags.loss))
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record()
        before, self._waiting = self._waiting, replace(flags, flags=on_host, loss=loss, ready=ready)
        return before

    def last(self) -> StepFlags | None:
        """Return the flags that `put` has not returned yet, or None; reading them waits for the device."""
        before, self._waiting = self._waiting, None
        return before


def _copied_to_host(tensor: Tensor) -> Tensor:
    """Return a copy in pinned memory, which may be read once the device has done all that it was asked to do so far."""
    on_host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return on_host.copy_(tensor.detach(), non_blocking=True)


def guarded_step(
    accelerator: Accelerator,
    optimizer: AcceleratedOptimizer,
    loss: Tensor,
    clipped: tuple[Tensor | None, Tensor | None],
    *,
    must_end: bool,
) -> Tensor:
    """Take an optimizer step on all processes, unless the loss or the gradient of one of them is not finite.

    Under fp16, accelerate's gradient scaler decides by the gradient alone, and halves its scale when it skips a step.

    Args:
        accelerator: The accelerator of the run.
        optimizer: The optimizer that it prepared.
        loss: The loss of this process in the step, a scalar.
        clipped: What `Gradients.clip` returned: the norm of the gradient, and the scalar to divide the gradient by.
        must_end: Whether this process received a signal to end.

    Returns:
        The flags of the step, float32 [2], as `agree` returns them.
    """
    norm, divisor = clipped
    is_scaled = optimizer.scaler is not None
    flags = agree(accelerator, loss, None if is_scaled else norm, must_end=must_end)
    if is_scaled:
        optimizer.step()
    else:
        step_where_finite(optimizer.optimizer if is_plain(accelerator) else optimizer, flags[0], divisor)
    return flags


def agree(accelerator: Accelerator, loss: Tensor, norm: Tensor | None, *, must_end: bool) -> Tensor:
    """Return the flags of a step, on which all processes agree.

    Args:
        accelerator: The accelerator of the run.
        loss: The loss of this process in the step, a scalar.
        norm: The norm of the gradient, a scalar that is the same on all processes; None under fp16, where it may
            overflow without harm.
        must_end: Whether this process received a signal to end.

    Returns:
        float32 [2] on the device. The first is above 0 if the loss or the gradient of a process is not finite; the
        second is above 0 if a process received a signal to end.
    """
    is_finite = loss.isfinite() if norm is None else loss.isfinite() & norm.isfinite()
    ends = torch.full((), float(must_end), device=loss.device)
    found = torch.stack([(~is_finite).float(), ends])
    agreed: Tensor = accelerator.reduce(found, reduction="sum") if accelerator.num_processes > 1 else found
    return agreed


def step_where_finite(optimizer: Any, not_finite: Tensor, divisor: Tensor | None = None) -> None:
    """Take an optimizer step unless `not_finite` is above 0, without waiting for a GPU where the optimizer allows it.

    Args:
        optimizer: An optimizer of torch, or one of accelerate that wraps it.
        not_finite: float32 scalar that is above 0 if the loss or the gradient is not finite.
        divisor: Scalar by which the gradient is divided, for an optimizer that `reads_on_device`; None leaves the
            gradient as it is.
    """
    if not_finite.device.type == "cpu" and not_finite.item() > 0:
        return
    if divisor is None and not reads_on_device(optimizer):
        if not_finite.item() == 0:
            optimizer.step()
        return
    # The attributes through which torch.amp.GradScaler passes them to fused optimizers.
    optimizer.grad_scale, optimizer.found_inf = divisor, (not_finite > 0).float()
    optimizer.step()
    del optimizer.grad_scale, optimizer.found_inf


def reads_on_device(optimizer: Any) -> bool:
    """Return whether the optimizer reads on the device by what to divide the gradient, and whether to skip the step.

    The fused optimizers of torch do, because gradient scaling requires it. With hooks after the step they are not used
    in this way, as a hook would also run after a skipped step.
    """
    return getattr(optimizer, "_step_supports_amp_scaling", False) and not optimizer._optimizer_step_post_hooks


def nonfinite_error(run: Run, flags: StepFlags, skipped_steps: int) -> UserError:
    """Return the error to raise when the loss or the gradient is not finite, with step, examples and likely cause.

    Args:
        run: The run.
        flags: The outcome of the step on this process.
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
        fix=_cause(run),
    )


def _examples(run: Run, micro_batches: Sequence[Indices]) -> str:
    column = run.encoded["train"].features.columns["example"].values
    examples = sorted({int(column[index]) for indices in micro_batches for index in indices})
    more = f" and {len(examples) - _SHOWN} more" if len(examples) > _SHOWN else ""
    return f"examples {', '.join(map(str, examples[:_SHOWN]))}{more} (counted from 0)"


def _cause(run: Run) -> str:
    if any(not bool(weight.isfinite().all()) for weight in run.model.parameters()):
        return "the model's weights are not finite themselves: start from others"
    if run.precision.name == "fp16":
        return "training.precision=bf16 (or fp32): fp16 ends at 65,504, which T5's activations exceed"
    training = run.recipe.training
    ways = ["training.on_nonfinite=skip skips such steps"]
    if training.max_grad_norm is None:
        ways.insert(0, "training.max_grad_norm=1")
    # The recipe's rate, not the schedule's, which is 0 at the first step of a warm-up and after the last step.
    if (lower := f"{training.learning_rate / 10:.1g}") != "0":
        ways.insert(0, f"training.learning_rate={lower} (it is {training.learning_rate:g})")
    return "; ".join(ways)
