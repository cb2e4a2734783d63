"""Dropout of attention weights, drawn again in the backward pass in place of being kept."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BITS = 16


@dataclass(frozen=True)
class Dropout:
    """Which weights are dropped in one call.

    Args:
        probability: With which each is dropped, to 2**-16.
        seed: Of the random numbers.
    """

    probability: float
    seed: int

    @classmethod
    def draw(cls, probability: float) -> Dropout:
        """With a seed from torch's own generator of the CPU, whatever the device: nothing waits for it."""
        return cls(probability, int(torch.randint(2**62, ())) if probability else 0)

    def factors(self, weights: Tensor, stream: int) -> Tensor | None:
        """What to multiply weights by: 0 where dropped, else 1 / the share that is kept; None without dropout.

        Args:
            weights: Gives shape, type and device.
            stream: Numbers the tensors of one call; each number has random numbers of its own.
        """
        if not self.probability:
            return None
        generator = torch.Generator(weights.device).manual_seed(self.seed + stream)
        # Four numbers of 16 bits from each one that the generator draws: drawing is what dropout costs.
        drawn = torch.empty(-(-weights.numel() // 4), dtype=torch.int64, device=weights.device)
        bits = drawn.random_(-(2**63), None, generator=generator).view(torch.int16)[: weights.numel()]
        dropped = min(round(self.probability * 2**_BITS), 2**_BITS - 1)
        kept = bits.view(weights.shape) >= dropped - 2 ** (_BITS - 1)
        factors: Tensor = kept.to(weights.dtype).div_(1 - dropped / 2**_BITS)
        return factors
