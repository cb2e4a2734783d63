"""Dropout modules that draw fast, while a model is trained on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from finetune.attention.kernels.dropout import factors, survivors


def dropout(activations: Tensor, probability: float) -> Tensor:
    """Zero each activation with the given probability, and scale up those kept.

    Drawn from torch's own generator, which gradient checkpointing sets back.

    Args:
        activations: Of any shape and floating-point type.
        probability: At least 0 and below 1.
    """
    kept = survivors(activations.numel(), probability, device=activations.device)
    return activations * factors(kept, probability, activations.dtype).view(activations.shape)


class _FastDropout(nn.Dropout):
    """nn.Dropout in all but how it draws."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        # What is compiled draws along with what it computes.
        if self.training and self.p and input.device.type == "cpu" and not torch.compiler.is_compiling():
            return dropout(input, self.p)
        return super().forward(input)


@contextmanager
def fast_dropout(model: nn.Module, *, enabled: bool = True) -> Iterator[None]:
    """Let the model's dropout modules draw fast inside the block. Nothing of it is stored with the model.

    Args:
        model: The model; on a GPU its modules draw as before.
        enabled: False leaves all modules as they are.
    """
    modules = [module for module in model.modules() if type(module) is nn.Dropout and enabled]
    for module in modules:
        module.__class__ = _FastDropout
    try:
        yield
    finally:
        for module in modules:
            module.__class__ = nn.Dropout
