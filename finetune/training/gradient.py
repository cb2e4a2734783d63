"""The gradient of one optimizer step: from batches in parts, the same whatever the parts, as large as memory allows."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from finetune.data.batches import Indices, StepBatches
from finetune.tasks import Batch
from finetune.training.embeddings import SparseEmbeddingGradients
from finetune.training.memory import free_memory, is_out_of_memory, out_of_memory
from finetune.training.progress import say
from finetune.training.run import Run
from finetune.training.sharding import exchanging, is_plain
from finetune.training.state import TrainingState


class Gradients:
    """Computes the gradient of steps.

    Several processes must agree on whether memory sufficed before they exchange gradients. Where a batch is larger than
    all before it, they exchange them after all parts are computed; meanwhile otherwise.

    Args:
        run: The run.
        model: As accelerate wrapped it; its weights take the gradient.
        state: Says in how many parts batches are computed.
    """

    def __init__(self, run: Run, model: nn.Module, state: TrainingState) -> None:
        self.run = run
        self.accelerator = run.accelerator
        self.model = model
        self.state = state
        alone = run.accelerator.num_processes == 1 and run.accelerator.device.type == "cpu"
        self.embeddings = SparseEmbeddingGradients(model, enabled=alone)
        self._weights = list(model.parameters())

    def prepared(self, plan: Sequence[StepBatches]) -> Generator[Batch]:
        """The batches that `compute` wants for these steps, one after another; to be closed."""
        return self.run.batches("train", (part for window in plan for part, _ in self.parts(window)))

    def parts(self, window: StepBatches) -> list[tuple[Indices, float]]:
        """What this process computes one after another, with what each weighs."""
        weights = [1.0] * (len(window.local) - window.dummies) + [0.0] * window.dummies
        return [
            (part, weight)
            for batch, weight in zip(window.local, weights, strict=True)
            for part in np.array_split(batch, self.state.parts)
            if len(part)
        ]

    def compute(self, window: StepBatches, prepared: Iterator[Batch], targets: int, size: int) -> list[Tensor] | None:
        """Leave the step's gradient in the weights.

        Args:
            window: The step.
            prepared: Gives its batches.
            targets: By which the loss is averaged.
            size: Positions of its largest batch over all processes.

        Returns:
            Each part's loss, a scalar summed over its targets; None where memory did not suffice, so that the step must
            be done again in smaller parts.

        Raises:
            UserError: Memory does not suffice for a single example, or on one of several processes no more for what it
                sufficed for before.
        """
        parts = self.parts(window)
        alone = self.accelerator.num_processes == 1
        # FSDP and DeepSpeed exchange weights too: there, processes cannot get back into step.
        careful = isinstance(self.model, DistributedDataParallel) and size // self.state.parts > self.state.largest
        random_state = torch.get_rng_state()
        losses = self._all_parts(parts, prepared, targets, exchanges=not careful)
        if losses is None and not (alone or careful):
            raise out_of_memory(f"at step {self.state.step + 1}, on one of several processes")
        if self._anywhere(losses is None) if careful else losses is None:
            torch.set_rng_state(random_state)
            self._halve(max(len(part) for part, _ in parts))
            return None
        if careful:
            self.state.largest = size // self.state.parts
            self._exchange(parts[0][0][:1])
        self.embeddings.fill()
        return losses

    def norm(self) -> Tensor:
        """The Euclidean norm of the gradient that is in the weights, a scalar."""
        found = map(self.embeddings.nonzero, self._weights)
        return torch.nn.utils.get_total_norm([gradient for gradient in found if gradient is not None])

    def forget(self) -> None:
        """Be ready for the next step, after the optimizer has dropped its gradients."""
        self.embeddings.clear()

    def _all_parts(
        self, parts: Sequence[tuple[Indices, float]], prepared: Iterator[Batch], targets: int, *, exchanges: bool
    ) -> list[Tensor] | None:
        losses: list[Tensor] = []
        try:
            for number, (_, weight) in enumerate(parts):
                is_last = number == len(parts) - 1
                losses.append(self._backward(next(prepared), weight / max(targets, 1), exchanges=exchanges and is_last))
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return None
        return losses

    def _backward(self, batch: Batch, weight: float, *, exchanges: bool) -> Tensor:
        """Add one part's gradient; gives its loss, summed over targets."""
        with exchanging(self.accelerator, self.model, exchanges=exchanges):
            with self.accelerator.autocast():
                loss = self.run.task.loss(self.model, batch, self.run.recipe.training.label_smoothing)
            # DDP averages gradients over processes, where the sum is wanted.
            weighted = loss * (weight * self.accelerator.num_processes)
            if is_plain(self.accelerator):
                weighted.backward()
            else:
                self.accelerator.backward(weighted)
        return loss.detach()

    def _exchange(self, indices: Indices) -> None:
        """Exchange the gradients computed so far: DDP does so only at the end of a backward pass."""
        device = self.accelerator.device
        drawn = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
        with drawn, closing(self.run.batches("train", [indices])) as batches:
            self._backward(next(batches), 0.0, exchanges=True)

    def _anywhere(self, flag: bool) -> bool:
        """Whether it holds on some process."""
        if self.accelerator.num_processes == 1:
            return flag
        found: Tensor = self.accelerator.reduce(torch.full((), float(flag), device=self.accelerator.device))
        return bool(found.item())

    def _halve(self, examples: int) -> None:
        """Compute batches in twice as many parts from here on; the sum of their gradients stays what it was."""
        self.model.zero_grad()
        free_memory()
        step = self.state.step + 1
        if not self._anywhere(examples > 1):
            raise out_of_memory(f"at step {step}, for a single example")
        self.state.parts, self.state.largest = 2 * self.state.parts, 0
        if self.accelerator.is_main_process:
            say(
                f"out of memory at step {step}: each batch is computed in {self.state.parts} parts from here on, with "
                "the same gradient: as training.batch_size halved and training.gradient_accumulation doubled"
            )
