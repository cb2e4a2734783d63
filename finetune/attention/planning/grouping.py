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
    queries, keys = queries[real], rounded(keys[real])
    order = np.lexsort((queries, keys))  # rectangles by keys, then queries
    queries, keys = queries[order], keys[order]
    starts = np.flatnonzero((np.diff(queries, prepend=-1) != 0) | (np.diff(keys, prepend=-1) != 0))
    ends = np.append(starts[1:], len(order))
    groups = []
    for first, stop in _cuts(queries[starts], keys[starts], ends - starts, num_heads, width):
        rectangles = slice(starts[first], ends[stop - 1])
        groups.append(Group(real[order[rectangles]], int(queries[rectangles].max()), int(keys[rectangles.stop - 1])))
    return groups


def rounded(keys: Integers) -> Integers:
    """In steps of STEP; large numbers of an eighth or less, so that there are not too many different ones."""
    step = np.maximum(STEP, 2 ** np.maximum(0, np.log2(keys).astype(np.int64) - 4))
    whole: Integers = np.maximum(LEAST, -(-keys // step) * step)
    return whole


def _cuts(queries: Integers, keys: Integers, counts: Integers, num_heads: int, width: int) -> list[tuple[int, int]]:
    """The runs of sizes (keys ascending) that are stacked, as first and stop."""
    ends = np.cumsum(counts)
    # By first and stop - 1; where first is after that, numbers mean nothing.
    tallest = np.maximum.accumulate(np.triu(np.broadcast_to(queries, (len(queries),) * 2)), axis=1)
    together = ends - (ends - counts)[:, None]
    costs = COSTS.of_stacks(together, tallest, keys, num_heads, width)
    best = np.zeros(len(queries) + 1)
    previous = np.zeros(len(queries) + 1, dtype=np.int64)
    for stop in range(1, len(queries) + 1):
        whole = best[:stop] + costs[:stop, stop - 1]
        previous[stop] = whole.argmin()
        best[stop] = whole[previous[stop]]
    cuts, stop = [], len(queries)
    while stop:
        cuts.append((int(previous[stop]), stop))
        stop = int(previous[stop])
    return cuts[::-1]
