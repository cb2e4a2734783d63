"""Faster dropout for training on a CPU."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from finetune.attention.kernels.dropout import factors, survivors


def dropout(activations: Tensor, probability: float) -> Tensor:
    """Zero each activation with the given probability, and divide the others by 1 - `probability`.

    The random numbers come from torch's default generator, whose state gradient checkpointing restores.

    Args:
        activations: A floating-point tensor of any shape.
        probability: Probability of zeroing an activation, at least 0 and below 1.

    Returns:
        A tensor of the shape and dtype of `activations`.
    """
    kept = survivors(activations.numel(), probability, device=activations.device)
    return activations * factors(kept, probability, activations.dtype).view(activations.shape)


class _FastDropout(nn.Dropout):
    """nn.Dropout that draws its random numbers by `dropout`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        # torch.compile fuses nn.Dropout with the operations around it, which is faster still.
        if self.training and self.p and input.device.type == "cpu" and not torch.compiler.is_compiling():
            return dropout(input, self.p)
        return super().forward(input)


@contextmanager
def fast_dropout(model: nn.Module, *, enabled: bool = True) -> Iterator[None]:
    """Let the dropout modules of a model draw random numbers faster inside this block.

    The modules have their own class again afterwards, so that nothing of this is saved with the model.

    Args:
        model: The model; for tensors on a GPU nothing changes.
        enabled: Whether the modules are changed.
    """
    modules = [module for module in model.modules() if type(module) is nn.Dropout and enabled]
    for module in modules:
        module.__class__ = _FastDropout
    try:
        yield
    finally:
        for module in modules:
            module.__class__ = nn.Dropout
