"""Dropout whose random numbers are drawn four at a time.

On a CPU torch draws one random number for each activation, in one thread, which takes a good part of a small model's
step. Sixteen bits are enough to decide whether one is kept.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_VALUES = 2**16
"""Numbers that sixteen bits tell apart."""


def dropout(activations: Tensor, probability: float) -> Tensor:
    """Zero each activation with the given probability, to the nearest 1 / 65,536, and scale up those kept.

    The scale is that of the probability in effect, so that the expectation is the activation itself. Drawn from torch's
    CPU generator, which gradient checkpointing sets back.

    Args:
        activations: On a CPU, of any shape and floating-point type.
        probability: At least 0 and below 1.
    """
    dropped = min(round(probability * _VALUES), _VALUES - 1)
    count = activations.numel()
    # int64's whole range, which torch fills fastest.
    drawn = torch.empty((count + 3) // 4, dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    numbers = drawn.view(torch.int16)[:count].view(activations.shape)
    kept = numbers >= dropped - _VALUES // 2
    return activations * kept.to(activations.dtype).mul_(_VALUES / (_VALUES - dropped))


class _FastDropout(nn.Dropout):
    """nn.Dropout in all but how it draws."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        if self.training and self.p and input.device.type == "cpu":
            return dropout(input, self.p)
        return super().forward(input)


@contextmanager
def fast_dropout(model: nn.Module) -> Iterator[None]:
    """Let the model's dropout modules draw fast inside the block. Nothing of it is stored with the model."""
    modules = [module for module in model.modules() if type(module) is nn.Dropout]
    for module in modules:
        module.__class__ = _FastDropout
    try:
        yield
    finally:
        for module in modules:
            module.__class__ = nn.Dropout
