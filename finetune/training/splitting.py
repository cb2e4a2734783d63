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
from finetune.hardware.memory import free_memory, is_out_of_memory, out_of_memory
from finetune.progress import say
from finetune.training.micro_batches import MicroBatch, StepPlan, micro_batches, of_one_step
from finetune.training.run import Run

Taken = TypeVar("Taken")


class _OutOfMemoryElsewhere(Exception):
    """Memory did not suffice on another process."""


class Splitting:
    """Splits batches into more micro-batches where memory does not suffice, on all processes alike.

    Several processes must agree on whether memory sufficed before they exchange gradients. Where a batch is larger than
    all before it, they agree after the last micro-batch and exchange gradients then. Otherwise memory is taken to
    suffice, and they exchange gradients during the last backward pass.

    Args:
        run: The run.
        model: The model as accelerate wrapped it.
        state: Holds the number of micro-batches per batch, and the size of the largest one that memory sufficed for.
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
        """Call a step with its micro-batches, and prepare for another attempt where memory did not suffice.

        Only what the step does until it has used up its micro-batches can be done again; later errors are raised.

        Args:
            step: Takes the micro-batches of one step.
            plan: The step.
            prepared: Yields the micro-batches of this step and of those after it.

        Returns:
            What `step` returns. None where memory did not suffice: gradients and the CPU's random state are then what
            they were before the call, `state.parts` is doubled, and the micro-batches must be made anew by it.

        Raises:
            UserError: Memory does not suffice for a single example, or, on one of several processes, no longer for the
                size it has sufficed for before.
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
                raise out_of_memory(f"at step {self.state.step + 1}, on one of several processes") from error
        # Not in the except clause, where the error keeps the step's tensors alive.
        torch.set_rng_state(random_state)
        self._split(plan)
        return None

    def _agrees(self, plan: StepPlan) -> bool:
        """Return whether the processes agree on whether memory sufficed for the step."""
        # FSDP and DeepSpeed exchange weights too, so that their processes cannot get back into step.
        is_ddp = isinstance(self.model, DistributedDataParallel)
        return is_ddp and plan.largest // self.state.parts > self.state.largest

    def _until_agreed(self, plan: StepPlan, prepared: Iterator[MicroBatch]) -> Iterator[MicroBatch]:
        """Yield the micro-batches of a step, and where processes must agree one more, in which gradients are exchanged.

        Raises:
            _OutOfMemoryElsewhere: Memory did not suffice on another process; nothing has been exchanged.
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
        """Yield a micro-batch of weight 0: DDP exchanges gradients only at the end of a backward pass."""
        device = self.accelerator.device
        plan = StepPlan(StepBatches((indices,), dummies=1, all=indices), targets=0, largest=0)
        # Its dropout leaves the random numbers of later micro-batches as they are.
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
        """Drop the gradients computed so far, and double the number of micro-batches per batch from here on."""
        self.model.zero_grad()
        free_memory()
        step = self.state.step + 1
        examples = max(-(-len(batch) // self.state.parts) for batch in plan.window.local)  # of a micro-batch
        if not self._is_true_anywhere(examples > 1):
            raise out_of_memory(f"at step {step}, for a single example")
        self.state.parts, self.state.largest = 2 * self.state.parts, 0
        if self.accelerator.is_main_process:
            say(
                f"out of memory at step {step}: each batch is computed in {self.state.parts} parts from here on, with "
                "the same gradient: as training.batch_size halved and training.gradient_accumulation doubled"
            )
