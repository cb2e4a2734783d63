"""Handling of a lack of memory: a step is repeated with twice as many micro-batches, which gives the same gradient."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TypeVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from finetune.checkpointing.state import TrainingState
from finetune.data.batches import Indices, StepBatches
from finetune.hardware.memory import batch_key, free_memory, is_out_of_memory, out_of_memory
from finetune.progress import say
from finetune.training.micro_batches import MicroBatch, StepPlan, micro_batches, of_one_step
from finetune.training.run import Run

Taken = TypeVar("Taken")


class _OutOfMemoryElsewhere(Exception):
    """Raised on this process when memory did not suffice on another process."""


class Splitting:
    """Splits batches into more micro-batches where memory does not suffice, in the same way on all processes.

    Several processes must agree on whether memory sufficed before they exchange gradients. If a batch is larger than
    all before it, they agree after the last micro-batch, and exchange gradients then. Otherwise memory is assumed to
    suffice, and they exchange gradients during the last backward pass.

    Args:
        run: The run.
        model: The model as accelerate wrapped it.
        state: The state of the training. Its fields `parts`, the number of micro-batches per batch, and `largest`, the
            size of the largest micro-batch for which memory has sufficed, are changed.
    """

    def __init__(self, run: Run, model: nn.Module, state: TrainingState) -> None:
        self.run = run
        self.accelerator = run.accelerator
        self.model = model
        self.state = state
        self._is_computing = False

    def attempt(
        self, step: Callable[[Iterator[MicroBatch]], Taken], plan: StepPlan, prepared: Iterator[MicroBatch]
    ) -> Taken | None:
        """Call a step with its micro-batches, and prepare for another attempt if memory did not suffice.

        A step can be repeated if it fails before it has used up its micro-batches; later errors are raised.

        Args:
            step: A function that takes the micro-batches of one step.
            plan: The plan of the step.
            prepared: Yields the micro-batches of this step and of those after it.

        Returns:
            What `step` returned, or None if memory did not suffice. Gradients and the CPU's random state are then as
            they were before the call, `state.parts` is doubled, and the caller makes the micro-batches anew.

        Raises:
            UserError: Memory does not suffice for a single example, or, on one of several processes, not any more for a
                size for which it has sufficed before.
        """
        random_state = torch.get_rng_state()
        agrees = self._agrees(plan)
        try:
            return step(self._until_agreed(plan, prepared))
        except _OutOfMemoryElsewhere:
            pass
        except Exception as error:
            if not (self._is_computing and is_out_of_memory(error)):
                raise
            if agrees:
                self._is_true_anywhere(True)
            elif self.accelerator.num_processes > 1:
                where = f"at step {self.state.step + 1}, on one of several processes"
                raise out_of_memory(where, self.run.recipe.training) from error
        # After the except clause: within it, the traceback of the error keeps the tensors of the step alive.
        torch.set_rng_state(random_state)
        self._split(plan)
        return None

    def _agrees(self, plan: StepPlan) -> bool:
        """Return whether the processes check together after this step whether memory sufficed."""
        # Under FSDP and DeepSpeed the processes also exchange weights, so that a step cannot be repeated.
        is_ddp = isinstance(self.model, DistributedDataParallel)
        return is_ddp and plan.largest // self.state.parts > self.state.largest

    def _until_agreed(self, plan: StepPlan, prepared: Iterator[MicroBatch]) -> Iterator[MicroBatch]:
        """Yield the micro-batches of a step, and if processes must agree first, another one that exchanges gradients.

        Raises:
            _OutOfMemoryElsewhere: Memory did not suffice on another process; no gradients have been exchanged.
        """
        agrees, first = self._agrees(plan), None
        self._is_computing = True
        for micro_batch in of_one_step(prepared):
            first = micro_batch.indices[:1] if first is None else first
            yield replace(micro_batch, is_last=False) if agrees else micro_batch
        if agrees and self._is_true_anywhere(False):
            raise _OutOfMemoryElsewhere
        self._is_computing = False
        if agrees and first is not None:
            self.state.largest = plan.largest // self.state.parts
            yield from self._exchange(first)

    def _exchange(self, indices: Indices) -> Iterator[MicroBatch]:
        """Yield a dummy batch with weight 0, because DDP exchanges gradients only at the end of a backward pass."""
        device = self.accelerator.device
        plan = StepPlan(StepBatches((indices,), dummies=1, all=indices), targets=0, largest=0)
        # The dropout of this additional pass must not change the random numbers of later micro-batches.
        forked = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
        with forked, closing(micro_batches(self.run, [plan], parts=1)) as prepared:
            yield from prepared

    def _is_true_anywhere(self, flag: bool) -> bool:
        """Return whether the flag is true on some process."""
        if self.accelerator.num_processes == 1:
            return flag
        found = self.accelerator.reduce(torch.full((), float(flag), device=self.accelerator.device))
        return bool(found.item())

    def _split(self, plan: StepPlan) -> None:
        """Discard the gradients computed so far, and double the number of micro-batches per batch from here on."""
        self.model.zero_grad()
        free_memory()
        step = self.state.step + 1
        # Examples in the largest micro-batch: the quotient, rounded up by the double negation.
        examples = max(-(-len(batch) // self.state.parts) for batch in plan.window.local)
        if not self._is_true_anywhere(examples > 1):
            raise out_of_memory(f"at step {step}, for a single example")
        self.state.parts, self.state.largest = 2 * self.state.parts, 0
        if self.accelerator.is_main_process:
            key, _ = batch_key(self.run.recipe.training)
            say(
                f"out of memory at step {step}: each batch is computed in {self.state.parts} parts from here on, with "
                f"the same gradient: as training.{key} halved and training.gradient_accumulation doubled"
            )
