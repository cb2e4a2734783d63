"""Which rectangles are stacked: those of like sizes, at the least cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finetune.attention.planning.cost import COSTS
from finetune.attention.planning.view import Integers

STEP, LEAST = 8, 16
"""Keys of a rectangle: LEAST, or more in such steps. Vectors of AVX-512 hold 16 numbers; torch's softmax of fewer takes
ten times as long, and products of 20 keys as long as of 24."""


@dataclass(frozen=True, eq=False)
class Group:
    """Rectangles that are stacked.

    Args:
        members: int64 [rectangles], which.
        queries: Slots for each one's queries.
        keys: Slots for each one's keys.
    """

    members: Integers
    queries: int
    keys: int


def group(queries: Integers, keys: Integers, num_heads: int, width: int) -> list[Group]:
    """The cheapest way to stack rectangles of these numbers of queries and keys; those without either are left out.

    Ordered by sizes, neighbours go together: the best cuts are found by dynamic programming over the different sizes.
    """
    real = np.flatnonzero((queries > 0) & (keys > 0))
    if not len(real):
        return []
    sizes = np.stack([rounded(keys[real]), queries[real]], axis=1)
    unique, member, counts = np.unique(sizes, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(member, kind="stable")  # rectangles by keys, then queries
    ends = np.cumsum(counts)
    groups = []
    for first, stop in _cuts(unique[:, 1], unique[:, 0], counts, num_heads, width):
        members = real[order[ends[first] - counts[first] : ends[stop - 1]]]
        groups.append(Group(members, int(queries[members].max()), int(unique[stop - 1, 0])))
    return groups


def rounded(keys: Integers) -> Integers:
    """In steps of STEP; large numbers of an eighth or less, so that there are not too many different ones."""
    step = np.maximum(STEP, 2 ** np.maximum(0, np.log2(keys).astype(np.int64) - 4))
    whole: Integers = np.maximum(LEAST, -(-keys // step) * step)
    return whole


def _cuts(queries: Integers, keys: Integers, counts: Integers, num_heads: int, width: int) -> list[tuple[int, int]]:
    """The runs of sizes (keys ascending) that are stacked, as first and stop."""
    best = np.zeros(len(queries) + 1)
    previous = np.zeros(len(queries) + 1, dtype=np.int64)
    for stop in range(1, len(queries) + 1):
        tallest = np.maximum.accumulate(queries[:stop][::-1])[::-1]
        together = np.cumsum(counts[:stop][::-1])[::-1]
        costs = best[:stop] + COSTS.of_stacks(together, tallest, keys[stop - 1], num_heads, width)
        previous[stop] = costs.argmin()
        best[stop] = costs[previous[stop]]
    cuts, stop = [], len(queries)
    while stop:
        cuts.append((int(previous[stop]), stop))
        stop = int(previous[stop])
    return cuts[::-1]
