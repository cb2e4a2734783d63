"""The numbers of score terms, which kernels add to the scaled scores before the softmax.

A term's numbers usually differ between heads by a factor alone, as the slopes of ALiBi do. So they are kept as numbers
of pairs and factors of heads, and are multiplied only where the scores of a few heads are in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PairScores:
    """The numbers of one score term: factors[head] * pairs.

    Args:
        pairs: float32 or float64, broadcastable to [batch, heads, queries, keys]; of tiles, to [tiles, heads, queries,
            keys]. Finite, also at padding.
        factors: float64 [heads], the factor of each head; float32 on devices without float64.
    """

    pairs: Tensor
    factors: Tensor

    def add_to(self, scores: Tensor) -> None:
        """Add the numbers to scores [batch, heads, queries, keys], in place."""
        scores.addcmul_(self.pairs.to(scores.dtype), self.factors.to(scores.dtype)[:, None, None])

    def product(self, dtype: torch.dtype) -> Tensor:
        """Return the numbers in a type, broadcastable to [batch, heads, queries, keys], with all heads."""
        return self.pairs.to(dtype) * self.factors.to(dtype)[:, None, None]

    def part(self, tiles: slice, heads: slice) -> PairScores:
        """Return the numbers of some tiles and heads; dimensions of 1, which all tiles or heads share, are kept."""
        pairs = self.pairs[tiles] if len(self.pairs) > 1 else self.pairs
        return PairScores(pairs[:, heads] if pairs.shape[1] > 1 else pairs, self.factors[heads])


def at_least_float32(dtype: torch.dtype) -> torch.dtype:
    """Return float64 for float64, else float32: scores in a narrower type lose too much precision."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def with_scores(bias: Tensor | None, scores: Sequence[PairScores], dtype: torch.dtype) -> Tensor | None:
    """Return the sum of a bias and of the numbers of score terms.

    Args:
        bias: A bias that the model adds to the scaled scores, broadcastable to [batch, heads, queries, keys]; None for
            none.
        scores: The numbers of the terms.
        dtype: Type of the queries.

    Returns:
        Broadcastable to [batch, heads, queries, keys], at least of float32; the bias itself where there is no term.
    """
    total = bias
    for each in scores:
        product = each.product(at_least_float32(dtype))
        total = product if total is None else total + product
    return total
