"""The gradient of an optimizer step: it is accumulated over micro-batches, clipped and cleared."""

import torch
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn

from finetune.hardware.embeddings import SparseEmbeddingGradients
from finetune.hardware.sharding import exchanging, is_plain
from finetune.training import nonfinite
from finetune.training.micro_batches import MicroBatch
from finetune.training.run import Run


class Gradients:
    """Accumulates the gradient of a step, clips it and clears it.

    Args:
        run: The run, whose task computes the loss.
        model: The model as accelerate wrapped it; the gradient is accumulated in its weights.
    """

    def __init__(self, run: Run, model: nn.Module) -> None:
        self.run = run
        self.accelerator = run.accelerator
        self.model = model
        is_alone = run.accelerator.num_processes == 1 and run.accelerator.device.type == "cpu"
        self.embeddings = SparseEmbeddingGradients(model, enabled=is_alone and run.recipe.training.cpu_tuning)
        self._weights = list(model.parameters())

    def forward_backward(self, micro_batch: MicroBatch, targets: int) -> Tensor:
        """Compute the loss of a micro-batch, and add its gradient to that of the step.

        The processes exchange gradients in the backward pass of the last micro-batch of a step.

        Args:
            micro_batch: The micro-batch.
            targets: Number of targets of the whole step over all processes, by which the loss is divided.

        Returns:
            The loss, a detached scalar summed over the micro-batch's targets.
        """
        scale = micro_batch.weight / max(targets, 1)
        with exchanging(self.accelerator, self.model, exchanges=micro_batch.is_last):
            with self.accelerator.autocast():
                loss = self.run.task.loss(self.model, micro_batch.batch, self.run.recipe.training.label_smoothing)
            # DDP averages gradients over the processes. Multiplied by their number, the average is the sum.
            scaled = loss * (scale * self.accelerator.num_processes)
            if is_plain(self.accelerator):
                scaled.backward()
            else:
                self.accelerator.backward(scaled)
        return loss.detach()

    def clip(self, max_norm: float | None, optimizer: AcceleratedOptimizer) -> tuple[Tensor | None, Tensor | None]:
        """Scale the gradient down to the norm `max_norm` if its norm is greater.

        Args:
            max_norm: The greatest norm of a gradient that is not scaled; None leaves every gradient unscaled.
            optimizer: The optimizer that takes the step. Where it can divide the gradient itself, the gradient in the
                weights stays unscaled, which saves a pass over it.

        Returns:
            The norm of the gradient before scaling, a scalar, or None where it is not known; and the scalar by which
            the optimizer must divide the gradient, or None where it must not.
        """
        self.embeddings.fill()
        divides = is_plain(self.accelerator) and nonfinite.reads_on_device(optimizer.optimizer)
        if max_norm is not None and not divides:
            norm = self.accelerator.clip_grad_norm_(self.model.parameters(), max_norm)
            return None if norm is None else torch.as_tensor(
                norm
            ), None  # DeepSpeed returns a number, or None before its first step
        norm = self.norm()
        # The reciprocal of the factor in torch.nn.utils.clip_grad_norm_, whose epsilon is also 1e-6.
        return norm, None if max_norm is None else ((norm + 1e-6) / max_norm).clamp_(min=1)

    def norm(self) -> Tensor:
        """Return the Euclidean norm of the gradient over all weights, a scalar."""
        found = map(self.embeddings.nonzero, self._weights)
        return torch.nn.utils.get_total_norm([gradient for gradient in found if gradient is not None])

    def clear(self) -> None:
        """Zero the rows of embedding gradients that were written; call it after `zero_grad` set gradients to None."""
        self.embeddings.clear()
