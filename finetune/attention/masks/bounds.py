"""Bounds: what is known of a whole block of pairs without evaluating the mask in it.

A block is a run of queries by a run of keys, and bounds are computed by interval arithmetic over the two runs. They are
conservative: a block that is not `possible` holds no allowed pair, and in a block that is `certain` all pairs are
allowed, but a block may be called possible although no pair of it is allowed, and not certain although all are. So a
block that is not possible can be skipped, and in a block that is certain the mask need not be evaluated (FlexAttention
calls these empty and full blocks).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Span:
    """Runs of positions, both ends included.

    Args:
        first: Lowest position of each run, int64 of any shape.
        last: Highest position of each run, int64, broadcastable with `first` and nowhere below it.
        step: Distance between neighbouring positions of a run, which divides last - first; 0 where every run is a
            single position.
    """

    first: Tensor
    last: Tensor
    step: int = 1

    @property
    def single(self) -> Tensor:
        """Whether each run is a single position, bool."""
        return self.first == self.last

    def holds(self, position: Tensor | int) -> Tensor:
        """Return whether each run contains `position`, bool."""
        within = (self.first <= position) & (self.last >= position)
        return within if self.step < 2 else within & ((position - self.first) % self.step == 0)


@dataclass(frozen=True, eq=False)
class Bounds:
    """What is known of blocks of pairs.

    Args:
        possible: bool, broadcastable to the shape of the blocks; False where no pair of the block is allowed.
        certain: bool, broadcastable to the shape of the blocks; True where every pair of the block is allowed.
    """

    possible: Tensor
    certain: Tensor

    def __and__(self, other: Bounds) -> Bounds:
        return Bounds(self.possible & other.possible, self.certain & other.certain)

    def __or__(self, other: Bounds) -> Bounds:
        return Bounds(self.possible | other.possible, self.certain | other.certain)

    def __invert__(self) -> Bounds:
        return Bounds(~self.certain, ~self.possible)


def unknown(queries: Span, keys: Span) -> Bounds:
    """Return the bounds of blocks of which nothing is known: every block is possible, none is certain."""
    possible = (queries.first == queries.first) & (keys.first == keys.first)  # True, of the shape of the blocks
    return Bounds(possible, ~possible)


def distance(queries: Span, keys: Span) -> Span:
    """Return a run that contains every value of k - q in each block, and perhaps other values."""
    return Span(keys.first - queries.last, keys.last - queries.first, math.gcd(queries.step, keys.step))
