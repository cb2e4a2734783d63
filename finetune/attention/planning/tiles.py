"""`Tiles`: parts of the score matrix, each some queries of one example with every key that they may attend to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune.attention.planning.heads import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Tiles:
    """Tiles of the heads of one group, as plain arrays; the keys of all tiles lie one tile after the other.

    Args:
        examples: int64 [tiles], the example of each tile.
        queries: int64 [tiles, size], positions in the example of the queries of each tile, ascending; -1 at padding,
            which comes last.
        key_offsets: int64 [tiles + 1], index in `keys` of the first key of each tile, and at the end the number of
            keys, in the manner of cu_seqlens.
        keys: int64 [entries], positions of keys in the example; in each tile, keys that are certain come first.
        certain: bool [entries], whether every query of the tile may attend to the key, so that the mask need not be
            evaluated.
        allowed: bool [entries that are not certain, size], which queries of the tile may attend to the key.
    """

    examples: IntArray
    queries: IntArray
    key_offsets: IntArray
    keys: IntArray
    certain: BoolArray
    allowed: BoolArray

    @property
    def query_counts(self) -> IntArray:
        """Number of queries of each tile, int64 [tiles]."""
        counts: IntArray = (self.queries >= 0).sum(1)
        return counts

    @property
    def key_counts(self) -> IntArray:
        """Number of keys of each tile, int64 [tiles]."""
        counts: IntArray = np.diff(self.key_offsets)
        return counts


def without_keys(examples: IntArray, queries: IntArray) -> Tiles:
    """Return tiles whose keys are not known yet.

    Args:
        examples: int64 [tiles], the example of each tile.
        queries: int64 [tiles, size], positions of the queries of each tile, -1 at padding.
    """
    return Tiles(
        examples,
        queries,
        np.zeros(len(examples) + 1, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=bool),
        np.zeros((0, queries.shape[1]), dtype=bool),
    )


def split_tiles(tiles: Tiles, members: Sequence[IntArray]) -> list[Tiles]:
    """Split tiles into parts.

    Args:
        tiles: The tiles.
        members: For each part int64 [tiles of the part], the indices of its tiles.
    """
    counts = tiles.key_counts
    # The row of `allowed` of an entry that is not certain is the number of such entries before it.
    row = np.cumsum(~tiles.certain) - 1
    parts = []
    for chosen in members:
        tile, index = expand_counts(counts[chosen])
        entry = tiles.key_offsets[chosen][tile] + index
        certain = tiles.certain[entry]
        parts.append(
            Tiles(
                tiles.examples[chosen],
                tiles.queries[chosen],
                offsets(counts[chosen]),
                tiles.keys[entry],
                certain,
                tiles.allowed[row[entry[~certain]]],
            )
        )
    return parts


def merge_tiles(parts: Sequence[Tiles]) -> Tiles:
    """Return the tiles of several parts as one.

    Args:
        parts: At least one part; all have tiles of the same size.
    """
    if len(parts) == 1:
        return parts[0]
    return Tiles(
        np.concatenate([part.examples for part in parts]),
        np.concatenate([part.queries for part in parts]),
        offsets(np.concatenate([part.key_counts for part in parts])),
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.certain for part in parts]),
        np.concatenate([part.allowed for part in parts]),
    )


def cut_queries(sizes: IntArray, size: int, step: int = 1) -> Tiles:
    """Return tiles without keys that hold every query of each example once.

    Args:
        sizes: int64 [examples], number of queries of each example.
        size: Number of queries of a tile; the last tile of an example may have fewer.
        step: Distance between neighbouring queries of a tile. With step 3 the tiles of an example of 9 queries hold
            0, 3, 6, then 1, 4, 7, then 2, 5, 8, so that under a strided or dilated mask they have their keys in common.
    """
    # The queries of an example with the same remainder modulo `step` are cut like an example of their own.
    examples = np.repeat(np.arange(len(sizes)), step)
    residues = np.tile(np.arange(step), len(sizes))
    members = np.maximum(0, -(-(sizes[examples] - residues) // step))  # [examples * step], queries of each class
    source, number = expand_counts(-(-members // size))  # -(-a // b) is a / b rounded up
    index = number[:, None] * size + np.arange(size)  # [tiles, size], number of each query in its residue class
    positions = residues[source][:, None] + step * index
    return without_keys(examples[source], np.where(index < members[source][:, None], positions, -1))


def cut_by_code(examples: IntArray, positions: IntArray, codes: IntArray, size: int) -> Tiles:
    """Return tiles without keys that hold every query once, and in each tile queries of few different codes.

    Queries of one code make tiles of their own where they fill half a tile. Those of rarer codes share tiles.

    Args:
        examples: int64 [queries], ascending, the example of each query.
        positions: int64 [queries], its position in the example.
        codes: int64 [queries], equal for queries that belong together, and different in different examples.
        size: Largest number of queries of a tile.
    """
    order = np.lexsort((positions, codes, examples))  # by example, then by code, then by position
    first = np.flatnonzero(np.diff(codes[order], prepend=-1))  # where another code begins
    members = np.diff(first, append=len(order))
    code, number = expand_counts(members)
    is_large = members > size // 2
    # A large code is cut every `size` queries. Small ones whose first queries lie in the same half of a tile's size,
    # counted over the small ones of their example, share a tile: so it holds less than one half and another half.
    small = np.where(is_large, 0, members)
    example = examples[order][first]
    before = np.cumsum(small) - small
    begins = np.flatnonzero(np.diff(example, prepend=-1))
    before -= np.repeat(before[begins], np.diff(begins, append=len(first)))
    part = np.where(is_large[code], number // size, (before // max(size // 2, 1))[code])
    owner = np.where(is_large[code], code, -1 - example[code])
    tile = np.unique(np.stack([example[code], owner, part]), axis=1, return_inverse=True)[1].reshape(-1)
    by_tile = np.lexsort((positions[order], tile))
    counts = np.bincount(tile)
    row, slot = expand_counts(counts)
    queries = np.full((len(counts), size), -1)
    queries[row, slot] = positions[order][by_tile]
    starts = np.cumsum(counts) - counts
    return without_keys(examples[order][by_tile][starts], queries)


def expand_counts(counts: IntArray) -> tuple[IntArray, IntArray]:
    """Return the owner of each of several runs of elements, and the index of each element in its run.

    For counts 2, 0, 3 the owners are 0 0 2 2 2, and the indices are 0 1 0 1 2.

    Args:
        counts: int64 [owners], number of elements of each owner.
    """
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def offsets(counts: IntArray) -> IntArray:
    """Return 0 and the sums of the first 1, 2, ... counts, int64 [counts + 1]."""
    found = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=found[1:])
    return found
