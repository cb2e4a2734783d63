"""Grouping of tiles of similar sizes, which are padded to one size and computed in one batch, at the least cost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finetune.attention.planning.cost import COSTS
from finetune.attention.planning.heads import IntArray

KEY_STEP, LEAST_KEYS = 8, 16
"""The number of keys of a tile is padded to LEAST_KEYS, or to a larger multiple of KEY_STEP. A vector of AVX-512 holds
16 numbers: torch's softmax takes ten times as long for fewer keys, and matrix products take as long for 20 keys as for
24."""


@dataclass(frozen=True, eq=False)
class SizeGroup:
    """Tiles that are padded to one size.

    Args:
        members: int64 [tiles], indices of the tiles.
        queries: Number of queries of each tile after padding.
        keys: Number of keys of each tile after padding.
    """

    members: IntArray
    queries: int
    keys: int


def group_by_size(queries: IntArray, keys: IntArray, num_heads: int, head_dim: int) -> list[SizeGroup]:
    """Return the cheapest grouping of tiles.

    Tiles are sorted by their size, and each group is a run of neighbours; dynamic programming over the different sizes
    finds the cuts of least cost. Tiles without queries or without keys are left out.

    Args:
        queries: int64 [tiles], number of queries of each tile.
        keys: int64 [tiles], number of keys of each tile.
        num_heads: Number of heads in which the tiles are computed.
        head_dim: Size of one attention head.
    """
    filled = np.flatnonzero((queries > 0) & (keys > 0))
    if not len(filled):
        return []
    queries, keys = queries[filled], rounded_keys(keys[filled])
    order = np.lexsort((queries, keys))  # by keys, then by queries: lexsort takes the last array first
    queries, keys = queries[order], keys[order]
    # Where tiles of another size begin.
    starts = np.flatnonzero((np.diff(queries, prepend=-1) != 0) | (np.diff(keys, prepend=-1) != 0))
    ends = np.append(starts[1:], len(order))
    groups = []
    for first, stop in _cuts(queries[starts], keys[starts], ends - starts, num_heads, head_dim):
        tiles = slice(starts[first], ends[stop - 1])
        # Keys ascend, so that the last tile has most; queries do not.
        groups.append(SizeGroup(filled[order[tiles]], int(queries[tiles].max()), int(keys[tiles.stop - 1])))
    return groups


def rounded_keys(keys: IntArray) -> IntArray:
    """Return numbers of keys rounded up: small ones to a multiple of KEY_STEP, large ones by up to an eighth.

    So tiles have few different sizes, and the search for the best cuts stays small.
    """
    step = np.maximum(KEY_STEP, 2 ** np.maximum(0, np.log2(keys).astype(np.int64) - 4))
    rounded: IntArray = np.maximum(LEAST_KEYS, -(-keys // step) * step)
    return rounded


def _cuts(queries: IntArray, keys: IntArray, counts: IntArray, num_heads: int, head_dim: int) -> list[tuple[int, int]]:
    """Return the runs of sizes that are padded to one size, as pairs of the first and one past the last index.

    Args:
        queries: int64 [sizes], number of queries of the tiles of each size.
        keys: int64 [sizes], number of keys of the tiles of each size, ascending.
        counts: int64 [sizes], number of tiles of each size.
        num_heads: Number of heads in which the tiles are computed.
        head_dim: Size of one attention head.
    """
    ends = np.cumsum(counts)
    # All three arrays are [first, last] of a run of sizes; entries where first > last mean nothing and are not read.
    most_queries = np.maximum.accumulate(np.triu(np.broadcast_to(queries, (len(queries),) * 2)), axis=1)
    num_tiles = ends - (ends - counts)[:, None]
    costs = COSTS.of_batches(num_tiles, most_queries, keys, num_heads, head_dim)
    best = np.zeros(len(queries) + 1)  # the least cost of the first n sizes
    previous = np.zeros(len(queries) + 1, dtype=np.int64)  # where the last run of that solution begins
    for stop in range(1, len(queries) + 1):
        candidates = best[:stop] + costs[:stop, stop - 1]
        previous[stop] = candidates.argmin()
        best[stop] = candidates[previous[stop]]
    cuts, stop = [], len(queries)
    while stop:
        cuts.append((int(previous[stop]), stop))
        stop = int(previous[stop])
    return cuts[::-1]
