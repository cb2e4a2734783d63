"""What can be said of a whole block of pairs without evaluating the mask in it.

Interval arithmetic over a rectangle of queries and keys: `possible` may be too generous and `certain` too timid,
never the other way round. So a block that is not possible can be skipped, and in a block that is certain the mask
need not be looked at (FlexAttention calls these empty and full blocks).
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
        first: Lowest positions, int64, of any shape.
        last: Highest positions, int64, broadcastable with `first` and nowhere below it.
        step: From each position to the next, which divides last - first; 0 where every run is one position.
    """

    first: Tensor
    last: Tensor
    step: int = 1

    @property
    def single(self) -> Tensor:
        """Where the run is one position."""
        return self.first == self.last

    def holds(self, position: Tensor | int) -> Tensor:
        """Where the run contains `position`."""
        within = (self.first <= position) & (self.last >= position)
        return within if self.step < 2 else within & ((position - self.first) % self.step == 0)


@dataclass(frozen=True, eq=False)
class Bounds:
    """What is known of blocks of pairs, one boolean each, broadcastable to the blocks' shape.

    Args:
        possible: False where no pair of the block is allowed.
        certain: True where every pair of the block is allowed.
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
    """Nothing is known: every block is possible, none is certain."""
    possible = (queries.first == queries.first) & (keys.first == keys.first)
    return Bounds(possible, ~possible)


def distance(queries: Span, keys: Span) -> Span:
    """The values that k - q takes in each block; perhaps not every one, but no other."""
    return Span(keys.first - queries.last, keys.last - queries.first, math.gcd(queries.step, keys.step))
