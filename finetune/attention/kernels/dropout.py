"""Dropout: random numbers drawn four at a time, and for attention weights drawn again rather than kept.

On a CPU torch draws one random number for each number that may be dropped, in one thread, which takes a good part of a
small model's step. Sixteen bits are enough to decide whether one is kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_VALUES = 2**16
"""Numbers that sixteen bits tell apart."""


def survivors(
    count: int, probability: float, *, device: torch.device, generator: torch.Generator | None = None
) -> Tensor:
    """Which of so many numbers are not dropped: bool [count].

    Args:
        count: Numbers.
        probability: With which each is dropped, to the nearest 1 / 65,536; at least 0 and below 1.
        device: Where they are.
        generator: Of the device; torch's own if not given.
    """
    # int64's whole range, which torch fills fastest: drawing is what dropout costs.
    drawn = torch.empty(-(-count // 4), dtype=torch.int64, device=device)
    bits = drawn.random_(-(2**63), None, generator=generator).view(torch.int16)[:count]
    kept: Tensor = bits >= _dropped(probability) - _VALUES // 2
    return kept


def factors(survivors: Tensor, probability: float, dtype: torch.dtype) -> Tensor:
    """What to multiply by: 0 where dropped, else the inverse of the share that is kept in effect."""
    kept: Tensor = survivors.to(dtype).mul_(_VALUES / (_VALUES - _dropped(probability)))
    return kept


def _dropped(probability: float) -> int:
    return min(round(probability * _VALUES), _VALUES - 1)


@dataclass(frozen=True)
class Dropout:
    """Which attention weights are dropped in one call.

    Args:
        probability: With which each is dropped.
        seed: Of the random numbers.
    """

    probability: float
    seed: int

    @classmethod
    def draw(cls, probability: float) -> Dropout:
        """With a seed from torch's own generator of the CPU, whatever the device: nothing waits for it."""
        return cls(probability, int(torch.randint(2**62, ())) if probability else 0)

    def survivors(self, count: int, stream: int, device: torch.device) -> Tensor | None:
        """Which of so many weights are not dropped, bool [count], drawn anew; None without dropout.

        Args:
            count: Weights.
            stream: Numbers the draws of one call; each number has random numbers of its own.
            device: Where the weights are.
        """
        if not self.probability:
            return None
        generator = torch.Generator(device).manual_seed(self.seed + stream)
        return survivors(count, self.probability, device=device, generator=generator)

    def factors(self, survivors: Tensor, dtype: torch.dtype) -> Tensor:
        """What to multiply weights by."""
        return factors(survivors, self.probability, dtype)
