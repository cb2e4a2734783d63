"""The gradient of one optimizer step, which adds up in the weights micro-batch by micro-batch."""

import torch
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn

from finetune.hardware.embeddings import SparseEmbeddingGradients
from finetune.hardware.sharding import exchanging, is_plain
from finetune.training import nonfinite
from finetune.training.micro_batches import MicroBatch
from finetune.training.run import Run


class Gradients:
    """Adds up the gradient of a step, clips it and clears it.

    Args:
        run: The run.
        model: The model as accelerate wrapped it; its weights take the gradient.
    """

    def __init__(self, run: Run, model: nn.Module) -> None:
        self.run = run
        self.accelerator = run.accelerator
        self.model = model
        is_alone = run.accelerator.num_processes == 1 and run.accelerator.device.type == "cpu"
        self.embeddings = SparseEmbeddingGradients(model, enabled=is_alone and run.recipe.training.cpu_tuning)
        self._weights = list(model.parameters())

    def forward_backward(self, micro_batch: MicroBatch, targets: int) -> Tensor:
        """Add the gradient of a micro-batch; the processes exchange theirs with the last micro-batch of a step.

        Args:
            micro_batch: The examples.
            targets: Number of targets of the whole step over all processes, by which the loss is divided.

        Returns:
            The loss, a detached scalar summed over the micro-batch's targets.
        """
        scale = micro_batch.weight / max(targets, 1)
        with exchanging(self.accelerator, self.model, exchanges=micro_batch.is_last):
            with self.accelerator.autocast():
                loss = self.run.task.loss(self.model, micro_batch.batch, self.run.recipe.training.label_smoothing)
            # DDP averages gradients over processes, where the sum is wanted.
            scaled = loss * (scale * self.accelerator.num_processes)
            if is_plain(self.accelerator):
                scaled.backward()
            else:
                self.accelerator.backward(scaled)
        return loss.detach()

    def clip(self, max_norm: float | None, optimizer: AcceleratedOptimizer) -> tuple[Tensor | None, Tensor | None]:
        """Scale the gradient down to a norm of `max_norm` where it is longer.

        Args:
            max_norm: The longest gradient that is left as it is; None leaves every gradient as it is.
            optimizer: The optimizer that will step. Where it can divide the gradient by itself, the weights keep the
                gradient unscaled, which saves a pass over it.

        Returns:
            The gradient's norm before scaling, a scalar, None where it is not known; and the scalar that the optimizer
            must divide the gradient by, None where it need not.
        """
        self.embeddings.fill()
        divides = is_plain(self.accelerator) and nonfinite.reads_on_device(optimizer.optimizer)
        if max_norm is not None and not divides:
            norm = self.accelerator.clip_grad_norm_(self.model.parameters(), max_norm)
            return None if norm is None else torch.as_tensor(norm), None  # DeepSpeed has a number, or none yet
        norm = self.norm()
        # The same factor as in torch.nn.utils.clip_grad_norm_.
        return norm, None if max_norm is None else ((norm + 1e-6) / max_norm).clamp_(min=1)

    def norm(self) -> Tensor:
        """Return the Euclidean norm of the gradient over all weights, a scalar."""
        found = map(self.embeddings.nonzero, self._weights)
        return torch.nn.utils.get_total_norm([gradient for gradient in found if gradient is not None])

    def clear(self) -> None:
        """Clear the rows that were gathered for embeddings, after the optimizer has set the gradients to None."""
        self.embeddings.clear()
