"""Losses and gradients that are not finite: never stepped on, found without holding up a GPU, told with a cause."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from finetune.data.batches import Indices
from finetune.errors import UserError
from finetune.training.run import Run

_SHOWN = 10
"""Examples named in a message."""
MOST_OVERFLOWS = 20
"""Steps in a row that fp16's gradient scaling may leave out: its scale, 65,536 at first, is far below 1 by then."""


@dataclass(frozen=True)
class Trace:
    """What one step computed.

    Args:
        step: Its number, counted from 1.
        losses: Of each part that this process computed, a scalar each.
        parts: The features of each part.
        targets: Targets of the step, over all processes.
        flags: float32 [2], the same on all processes: above 0 where the step is not finite; where a process was told to
            end. On the CPU, to be read once `ready`.
        ready: Passed when the flags are there; None where they are.
    """

    step: int
    losses: Sequence[Tensor]
    parts: Sequence[Indices]
    targets: int
    flags: Tensor
    ready: torch.cuda.Event | None = None

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are."""
        return self._flag(0) == 0

    @property
    def is_last(self) -> bool:
        """Whether a process was told to end."""
        return self._flag(1) > 0

    def _flag(self, number: int) -> float:
        if self.ready is not None:
            self.ready.synchronize()
        return float(self.flags[number])


class Traces:
    """Hands out each step's trace: at once on a CPU, one step later on a GPU, which is never waited for."""

    def __init__(self) -> None:
        self._waiting: Trace | None = None

    def put(self, trace: Trace) -> Trace | None:
        """The trace that can be read now."""
        if trace.flags.device.type != "cuda":
            return trace
        on_host = torch.empty(trace.flags.shape, dtype=trace.flags.dtype, pin_memory=True)
        on_host.copy_(trace.flags, non_blocking=True)
        ready = torch.cuda.Event()  # type: ignore[no-untyped-call]
        ready.record()
        late = Trace(trace.step, trace.losses, trace.parts, trace.targets, on_host, ready)
        before, self._waiting = self._waiting, late
        return before

    def last(self) -> Trace | None:
        """The trace that has not been handed out yet; waits for the device."""
        before, self._waiting = self._waiting, None
        return before


def flags(accelerator: Accelerator, loss: Tensor, norm: Tensor | None, *, told_to_end: bool) -> Tensor:
    """What all processes must agree on after a step; float32 [2] on the device, above 0 where it holds for one.

    Args:
        accelerator: Of the run.
        loss: This process's part of the loss, a scalar.
        norm: The gradient's norm, the same on all processes; None where it may overflow.
        told_to_end: Whether this process was told to end.
    """
    is_finite = loss.isfinite() if norm is None else loss.isfinite() & norm.isfinite()
    told = torch.full((), float(told_to_end), device=loss.device)
    found = torch.stack([(~is_finite).float(), told])
    agreed: Tensor = accelerator.reduce(found, reduction="sum") if accelerator.num_processes > 1 else found
    return agreed


def step_where_finite(optimizer: Any, not_finite: Tensor, divisor: Tensor | None = None) -> None:
    """Step unless `not_finite`, a float32 scalar, is above 0; waits for the device only where the optimizer must.

    Args:
        optimizer: Of torch, or one that wraps it.
        not_finite: Says so.
        divisor: What the gradient is to be divided by, a scalar; for an optimizer that `reads_on_device`.
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


def not_finite(run: Run, trace: Trace, rate: float, skipped_steps: int) -> UserError:
    """What to say of a step: its number, its examples, the likely cause.

    Args:
        run: The run.
        trace: The step.
        rate: Its learning rate.
        skipped_steps: Steps left out before it.
    """
    odd = [not bool(loss.isfinite()) for loss in trace.losses]
    in_loss = any(odd)
    indices = [part for part, is_odd in zip(trace.parts, odd, strict=True) if is_odd or not in_loss]
    limit = run.recipe.training.max_left_out
    after = f", after {skipped_steps} that were left out (training.max_left_out={limit})" if skipped_steps else ""
    values = ", ".join(sorted({str(loss.item()) for loss in trace.losses}))
    return UserError(
        f"the {'loss' if in_loss else 'gradient'} is not finite at step {trace.step}{after}",
        expected="numbers",
        found=f"losses of {values}" if in_loss else "a gradient that is infinite or NaN",
        where=f"train {_examples(run, indices)}",
        fix=_cause(run, rate),
    )


def _examples(run: Run, parts: Sequence[Indices]) -> str:
    column = run.encoded["train"].features.columns["example"].values
    examples = sorted({int(column[index]) for part in parts for index in part})
    more = f" and {len(examples) - _SHOWN} more" if len(examples) > _SHOWN else ""
    return f"examples {', '.join(map(str, examples[:_SHOWN]))}{more} (counted from 0)"


def _cause(run: Run, rate: float) -> str:
    if any(not bool(weight.isfinite().all()) for weight in run.model.parameters()):
        return "the model's weights are not finite themselves: start from others"
    if run.precision.name == "fp16":
        return "training.precision=bf16 (or fp32): fp16 ends at 65,504, which T5's activations exceed"
    lower = f"training.learning_rate={rate / 10:.1g} (it was {rate:.1e} at this step)"
    clip = "" if run.recipe.training.max_grad_norm else ", or training.max_grad_norm=1"
    return f"{lower}{clip}; training.on_nonfinite=skip leaves such steps out"
