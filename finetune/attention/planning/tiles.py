"""`Tiles`: parts of the score matrix, each some queries of one example with every key that they may attend to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from finetune.attention.planning.heads import BoolArray, IntArray


@dataclass(frozen=True, eq=False)
class Tiles:
    """Tiles of the heads of one group, as plain arrays; keys are stored one tile after the other.

    Args:
        examples: int64 [tiles], the example of each tile.
        queries: int64 [tiles, size], positions of its queries in the example, ascending; -1 at padding, which comes
            last.
        key_offsets: int64 [tiles + 1], where each tile's keys begin in `keys`, and their number at the end, as
            cu_seqlens has it for tokens.
        keys: int64 [entries], positions of keys in the example. Those that are certain come first in each tile.
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
        """Queries of each tile."""
        counts: IntArray = (self.queries >= 0).sum(1)
        return counts

    @property
    def key_counts(self) -> IntArray:
        """Keys of each tile."""
        counts: IntArray = np.diff(self.key_offsets)
        return counts


def without_keys(examples: IntArray, queries: IntArray) -> Tiles:
    """Tiles whose keys are not known yet."""
    return Tiles(
        examples,
        queries,
        np.zeros(len(examples) + 1, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        np.zeros(0, dtype=bool),
        np.zeros((0, queries.shape[1]), dtype=bool),
    )


def split_tiles(tiles: Tiles, members: Sequence[IntArray]) -> list[Tiles]:
    """The tiles of each index array of `members`."""
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
    """All tiles one after the other; at least one part, and all of one size."""
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
    """Tiles, without keys, that hold every query of each example once.

    Args:
        sizes: int64 [examples], queries of each example.
        size: Queries of a tile; the last tile of an example may have fewer.
        step: Distance between neighbouring queries of a tile. With step 3 the tiles of an example of 9 queries hold
            0, 3, 6, then 1, 4, 7, then 2, 5, 8, as strided and dilated masks want it.
    """
    # A residue class modulo `step` is cut like an example of its own.
    examples = np.repeat(np.arange(len(sizes)), step)
    residues = np.tile(np.arange(step), len(sizes))
    members = np.maximum(0, -(-(sizes[examples] - residues) // step))  # [examples * step], queries of each class
    source, number = expand_counts(-(-members // size))
    index = number[:, None] * size + np.arange(size)  # [tiles, size], in the residue class
    positions = residues[source][:, None] + step * index
    return without_keys(examples[source], np.where(index < members[source][:, None], positions, -1))


def expand_counts(counts: IntArray) -> tuple[IntArray, IntArray]:
    """For counts 2, 0, 3 the owners 0 0 2 2 2, and the index of each within its owner, 0 1 0 1 2."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def offsets(counts: IntArray) -> IntArray:
    """0 and the sums of the first 1, 2, ... counts."""
    found = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=found[1:])
    return found
