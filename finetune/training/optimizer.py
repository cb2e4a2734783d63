"""Optimizers and schedules by name."""

from collections.abc import Iterator

import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler
from transformers.optimization import Adafactor

from finetune.recipe import Training


def build_optimizer(model: torch.nn.Module, training: Training) -> Optimizer:
    """The recipe's optimizer over the model's trainable weights.

    Decay leaves biases and normalisation weights alone (Loshchilov and Hutter, "Decoupled Weight Decay
    Regularization", 2019, decays weights; BERT's own training excludes these two kinds).
    """
    groups = [
        {"params": list(_trainable(model, decayed=True)), "weight_decay": training.weight_decay},
        {"params": list(_trainable(model, decayed=False)), "weight_decay": 0.0},
    ]
    if training.optimizer == "adafactor":
        return Adafactor(  # type: ignore[no-untyped-call]
            groups, lr=training.learning_rate, scale_parameter=True, relative_step=False
        )
    return torch.optim.AdamW(groups, lr=training.learning_rate, fused=True)


def _trainable(model: torch.nn.Module, *, decayed: bool) -> Iterator[torch.nn.Parameter]:
    """Weights with two or more dimensions are matrices and embeddings; biases and norms have one."""
    return (weight for weight in model.parameters() if weight.requires_grad and (weight.ndim > 1) == decayed)


def build_schedule(optimizer: Optimizer, training: Training, total_steps: int) -> LRScheduler:
    """Warm-up, then the recipe's schedule down to 0 at the last step."""
    name = "constant_with_warmup" if training.schedule == "constant" else training.schedule
    steps = warmup_steps(training, total_steps)
    schedule: LRScheduler = get_scheduler(name, optimizer, num_warmup_steps=steps, num_training_steps=total_steps)
    return schedule


def warmup_steps(training: Training, total_steps: int) -> int:
    """Steps of the warm-up, which the recipe gives as a share or a number."""
    return round(training.warmup * total_steps if training.warmup < 1 else training.warmup)
