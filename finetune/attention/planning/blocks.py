"""Tiles of a few queries each, with the keys that any of these queries may attend to.

This strategy serves windows, dilated windows, blocks, segments, global tokens and every other mask that has bounds.
Work and memory are linear in the length of the examples if the number of keys of a query does not grow with it.
Longformer (arXiv 2004.05150) and BigBird (arXiv 2007.14062) gather blocks of keys in this way, for one pattern each.
"""

from __future__ import annotations

import numpy as np
import torch

from finetune.attention.kernels.plan import TileBatch
from finetune.attention.planning.grouping import group_by_size
from finetune.attention.planning.heads import BoolArray, HeadGroup, IntArray, example_sizes, example_starts
from finetune.attention.planning.key_sets import find_keys, separate_dense_rows, without_dense_rows
from finetune.attention.planning.listing import has_codes, query_codes
from finetune.attention.planning.tiles import Tiles, cut_by_code, cut_queries, expand_counts, merge_tiles, split_tiles

PAIRS_AT_ONCE = 2**22
"""Number of pairs that may be held in memory before the pairs of unused keys are dropped."""


def find_tiles(
    group: HeadGroup, dense: BoolArray, size: int, step: int, sample: int | None = None, column: str | None = None
) -> Tiles:
    """Cover the pairs that a mask allows by tiles.

    Args:
        group: The heads, with their mask and streams.
        dense: bool [queries], the dense rows that `dense_rows` finds; they get tiles of their own.
        size: Number of queries of a tile.
        step: Distance between neighbouring queries of a tile.
        sample: Number of tiles to return, evenly chosen and without dense rows; all tiles if None.
        column: The column by whose value the queries of a tile are chosen; None where they are neighbours.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    tiles = cut(group, size, step, column)
    if sample is None:
        tiles = separate_dense_rows(group, tiles, dense)
    else:
        tiles = without_dense_rows(group, _some(tiles, sample), dense)
    longest = max(group.keys.sizes, default=0)
    at_once = max(1, PAIRS_AT_ONCE // max(1, size * longest))
    num_tiles = len(tiles.examples)
    if num_tiles <= at_once:
        return find_keys(group, tiles, dense, step, column)
    portions = [np.arange(start, min(start + at_once, num_tiles)) for start in range(0, num_tiles, at_once)]
    return merge_tiles([find_keys(group, portion, dense, step, column) for portion in split_tiles(tiles, portions)])


def cut(group: HeadGroup, size: int, step: int, column: str | None) -> Tiles:
    """Return tiles without keys that hold every query once; the arguments are those of `find_tiles`."""
    if column is None or not has_codes(group, column):
        return cut_queries(example_sizes(group.queries), size, step)
    codes = query_codes(group, column)
    return cut_by_code(group.queries.example_ids.numpy(), group.queries.positions.numpy(), codes, size)


def _some(tiles: Tiles, number: int) -> Tiles:
    """Return about this many of the tiles, evenly chosen."""
    if len(tiles.examples) <= number:
        return tiles
    return split_tiles(tiles, [np.unique(np.linspace(0, len(tiles.examples) - 1, number).astype(np.int64))])[0]


def tile_batches(group: HeadGroup, tiles: Tiles, head_dim: int, has_relative_bias: bool) -> list[TileBatch]:
    """Return batches of tiles of similar sizes, each batch padded to one shape, on the CPU.

    Args:
        group: The heads that the tiles are for.
        tiles: All tiles; those without keys are left out.
        head_dim: Size of one attention head.
        has_relative_bias: Whether a relative bias is added to the scores.
    """
    sizes = group_by_size(tiles.query_counts, tiles.key_counts, len(group.heads), head_dim)
    parts = split_tiles(tiles, [one.members for one in sizes])
    return [
        _tile_batch(group, part, one.queries, one.keys, has_relative_bias)
        for part, one in zip(parts, sizes, strict=True)
    ]


def _tile_batch(group: HeadGroup, tiles: Tiles, num_queries: int, num_keys: int, has_relative_bias: bool) -> TileBatch:
    queries = tiles.queries[:, :num_queries]  # [tiles, queries]; padding comes last, so that no query is cut off
    tile, slot = expand_counts(tiles.key_counts)  # [entries] each
    keys = np.full((len(queries), num_keys), -1)  # [tiles, keys]
    keys[tile, slot] = tiles.keys
    allowed = _allowed(tiles, tile, slot, queries >= 0, num_keys)
    # [tiles, 1, queries, keys], one mask for all heads
    mask = None if allowed.all() else torch.from_numpy(allowed).transpose(1, 2).contiguous()[:, None]
    bias_index = None
    if has_relative_bias:
        longest = max((*group.queries.sizes, *group.keys.sizes), default=0)
        bias_index = distance_index(torch.from_numpy(queries), torch.from_numpy(keys), longest)
    query_starts, key_starts = example_starts(group.queries)[tiles.examples], example_starts(group.keys)[tiles.examples]
    return TileBatch(
        torch.from_numpy(np.where(queries >= 0, query_starts[:, None] + queries, -1)),
        torch.from_numpy(np.where(keys >= 0, key_starts[:, None] + keys, -1)),
        mask,
        group.heads,
        bias_index,
    )


def _allowed(tiles: Tiles, tile: IntArray, slot: IntArray, is_query: BoolArray, num_keys: int) -> BoolArray:
    """Return the mask of the last keys of each tile, bool [tiles, masked keys, queries].

    Args:
        tiles: The tiles.
        tile: int64 [entries], the tile of each entry of `tiles.keys`.
        slot: int64 [entries], the slot of each entry in its tile.
        is_query: bool [tiles, queries], False at padding.
        num_keys: Number of slots for keys in a tile, padding included.
    """
    # Certain keys come first in a tile, so the first slots hold a certain key in every tile and need no mask.
    num_certain = int(np.bincount(tile, weights=tiles.certain, minlength=len(is_query)).min())
    allowed = np.zeros((len(is_query), num_keys - num_certain, is_query.shape[1]), dtype=bool)
    masked = (slot >= num_certain) & tiles.certain
    allowed[tile[masked], slot[masked] - num_certain] = is_query[tile[masked]]
    unsure = ~tiles.certain
    allowed[tile[unsure], slot[unsure] - num_certain] = tiles.allowed[:, : is_query.shape[1]]
    return allowed


def distance_index(queries: torch.Tensor, keys: torch.Tensor, longest: int) -> torch.Tensor:
    """Return the entry of a relative bias table that each pair reads.

    The table [heads, 2 * longest - 1] is indexed by the distance from query to key, key - query, and has distance 0 in
    its middle. Pairs of padding read an arbitrary entry.

    Args:
        queries: int64 [tiles, queries], positions of queries in their example, or -1 at padding.
        keys: int64 [tiles, keys], positions of keys in their example, or -1 at padding.
        longest: Number of tokens of the longest example on either side.

    Returns:
        int32 [tiles, queries, keys].
    """
    distance = keys[:, None, :] - queries[:, :, None]  # [tiles, queries, keys]
    # The index of a long example takes much memory, which int32 halves; tables are short enough for it.
    return distance.add_(longest - 1).clamp_(0, max(2 * longest - 2, 0)).to(torch.int32)
