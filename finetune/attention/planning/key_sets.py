"""The keys that the queries of a tile may attend to, found from the bounds of a mask, without the whole square."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from finetune.attention.masks import none
from finetune.attention.planning.heads import (
    BoolArray,
    HeadGroup,
    IntArray,
    allowed_pairs,
    example_sizes,
    example_starts,
    mask_bounds,
)
from finetune.attention.planning.listing import (
    Entries,
    allowed_entries,
    listed_entries,
    merge_entries,
    searched_part,
    split_alternatives,
)
from finetune.attention.planning.tiles import Tiles, cut_queries, expand_counts, offsets, without_keys

KEY_BLOCK = 64
"""Number of neighbouring keys whose bounds are computed together before those of single keys."""
SAMPLED_KEYS = 128
"""Number of keys by which the row of a query in the mask is found to be dense."""
USUAL_BLOCKS = 4
"""Number of blocks of keys that tiles reach under a usual window; tiles that reach more are searched for dense rows."""


def dense_rows(group: HeadGroup, column: str | None = None) -> BoolArray:
    """Return which queries of a stream may attend to many more keys than their neighbours, bool [queries].

    The rows of global tokens are dense. A tile that holds such a query beside its neighbours would hold every key. A
    dense row that is not found costs time but changes no result.

    Keys that are listed make no row dense: only the other part of the mask is examined.

    Args:
        group: The heads, with their mask and streams.
        column: The column by which the queries of tiles are sorted; None where they are not.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    group = searched_part(replace(group, rows={}), column)  # a custom mask may have dense rows like any other
    found = np.zeros(group.queries.total, dtype=bool)
    starts = example_starts(group.queries)
    tiles = cut_queries(example_sizes(group.queries), KEY_BLOCK)
    last = tiles.queries.max(1, initial=0)
    tile, _, _ = _possible_blocks(group, tiles.examples, tiles.queries[:, 0], last)
    num_blocks = np.bincount(tile, minlength=len(tiles.examples))
    candidates = np.argsort(-num_blocks, kind="stable")[: np.count_nonzero(num_blocks > USUAL_BLOCKS)]
    # Most masks have no dense rows: where there is none in a few of the candidates, the others are not examined.
    for chosen in (candidates[_spread(len(candidates))], candidates):
        positions, examples = tiles.queries[chosen], tiles.examples[chosen]
        counts = _sampled_counts(group, examples, positions)  # [chosen tiles, queries]
        usual = np.where(positions >= 0, counts, SAMPLED_KEYS).min(1, initial=SAMPLED_KEYS)
        # Three times the sparsest neighbour, and an eighth of the sample more, so that chance alone marks no row.
        stands_out = (counts > 3 * usual[:, None] + SAMPLED_KEYS // 8) & (positions >= 0)
        if not stands_out.any():
            break
        found[(starts[examples][:, None] + positions)[stands_out]] = True
    return found


def _spread(count: int) -> IntArray:
    """Return some indices below `count`: the first few, and a few of the others at even distances."""
    others = np.linspace(0, max(count - 1, 0), min(count, 4)).astype(np.int64)
    return np.unique(np.concatenate([np.arange(min(count, 4)), others]))


def _sampled_counts(group: HeadGroup, examples: IntArray, positions: IntArray) -> IntArray:
    """Return how many of some keys that are drawn at random each query may attend to, int64 [tiles, queries]."""
    shares = np.random.default_rng(0).random(SAMPLED_KEYS)
    keys = (example_sizes(group.keys)[examples][:, None, None] * shares).astype(np.int64)  # [tiles, 1, SAMPLED_KEYS]
    queries = positions.clip(0)[:, :, None]  # [tiles, queries, 1]
    counts: IntArray = allowed_pairs(group, examples[:, None, None], queries, keys).sum(-1)
    return counts


def without_dense_rows(group: HeadGroup, tiles: Tiles, dense: BoolArray) -> Tiles:
    """Return tiles, whose keys are not known yet, without the queries of dense rows."""
    if not dense.any():
        return tiles
    tokens = example_starts(group.queries)[tiles.examples][:, None] + tiles.queries  # [tiles, queries]
    remaining = np.where(dense[tokens], -1, tiles.queries)
    # A stable sort by "is padding" moves the padding to the end and leaves the queries in order.
    remaining = np.take_along_axis(remaining, np.argsort(remaining < 0, axis=1, kind="stable"), 1)
    kept = remaining[:, 0] >= 0
    return without_keys(tiles.examples[kept], remaining[kept])


def separate_dense_rows(group: HeadGroup, tiles: Tiles, dense: BoolArray) -> Tiles:
    """Return the tiles without the queries of dense rows, followed by tiles of dense rows alone."""
    if not dense.any():
        return tiles
    sparse = without_dense_rows(group, tiles, dense)
    tokens, starts = np.flatnonzero(dense), example_starts(group.queries)
    examples = np.searchsorted(starts, tokens, side="right") - 1
    members = np.bincount(examples, minlength=len(starts))  # dense rows of each example
    own = cut_queries(members, tiles.queries.shape[1])  # its positions count the dense rows of an example
    # Index in `tokens` of each dense row: that of the example's first one, and the number within the example.
    index = (np.cumsum(members) - members)[own.examples][:, None] + own.queries
    positions = np.where(own.queries >= 0, (tokens - starts[examples])[index.clip(0)], -1)
    return without_keys(np.concatenate([sparse.examples, own.examples]), np.concatenate([sparse.queries, positions]))


def find_keys(group: HeadGroup, tiles: Tiles, dense: BoolArray, step: int, column: str | None = None) -> Tiles:
    """Return tiles with the keys that any of their queries may attend to.

    Args:
        group: The heads, with their mask and streams.
        tiles: Tiles without keys, from `separate_dense_rows` or `without_dense_rows`.
        dense: bool [queries], the dense rows. Bounds are those of runs of queries from the first to the last, and a run
            must not include a dense row that is in another tile.
        step: Distance between neighbouring queries of a tile.
        column: The column by which the queries of the tiles are sorted; None where they are not.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    tile, keys, certain = _possible_keys(group, tiles, dense, step, column)
    unsure = np.flatnonzero(~certain)
    allowed = allowed_entries(group, tiles, tile[unsure], keys[unsure])
    used = allowed.any(1)
    kept = np.sort(np.concatenate([np.flatnonzero(certain), unsure[used]]))
    order = kept[np.lexsort((~certain[kept], tile[kept]))]  # by tile, certain keys first
    counts = np.bincount(tile[order], minlength=len(tiles.examples))
    return Tiles(tiles.examples, tiles.queries, offsets(counts), keys[order], certain[order], allowed[used])


def _possible_keys(group: HeadGroup, tiles: Tiles, dense: BoolArray, step: int, column: str | None) -> Entries:
    """Return the keys that are listed, or possible by the bounds of the mask, sorted by tile, then by key."""
    searched, listed = split_alternatives(group, column)
    if not listed:
        return _searched_keys(group, tiles, dense, step)
    parts = [listed_entries(group, alternative, tiles, column) for alternative in listed]
    if searched != none():
        parts.append(_searched_keys(replace(group, mask=searched), tiles, dense, step))
    return merge_entries(parts)


def _searched_keys(group: HeadGroup, tiles: Tiles, dense: BoolArray, step: int) -> Entries:
    """Return the keys that are possible by the bounds of the mask, sorted by tile, then by key."""
    runs, examples, first, last = _runs(group, tiles, dense, step)
    run, start, stop = _possible_blocks(group, examples, first, last)
    keys = start[:, None] + np.arange(KEY_BLOCK)  # [blocks, KEY_BLOCK]
    column = (examples[run][:, None], first[run][:, None], last[run][:, None])
    possible, certain = mask_bounds(group, *column, keys, keys, steps=(step, 0))
    chosen = np.nonzero(possible & (keys <= stop[:, None]))
    found = runs[run[chosen[0]]], keys[chosen], certain[chosen]
    return found if len(runs) == len(tiles.examples) else _merge_runs(*found, np.bincount(runs))


def _possible_blocks(
    group: HeadGroup, examples: IntArray, first: IntArray, last: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Return the blocks of keys that runs of queries may attend to.

    Args:
        group: The heads, with their mask and streams.
        examples: int64 [runs], the example of each run.
        first: int64 [runs], position of the first query of each run.
        last: int64 [runs], position of the last query of each run.

    Returns:
        The run, the first and the last key of each block, int64 [blocks] each.
    """
    key_sizes = example_sizes(group.keys)
    run, number = expand_counts(-(-key_sizes[examples] // KEY_BLOCK))
    start = number * KEY_BLOCK
    stop = np.minimum(start + KEY_BLOCK, key_sizes[examples[run]]) - 1
    possible, _ = mask_bounds(group, examples[run], first[run], last[run], start, stop)
    return run[possible], start[possible], stop[possible]


def _runs(group: HeadGroup, tiles: Tiles, dense: BoolArray, step: int) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Cut the queries of each tile into runs, between which there are dense rows or others that are in other tiles.

    Returns:
        Tile, example, and positions of the first and the last query of each run, int64 [runs] each.
    """
    positions = tiles.queries
    is_query = positions >= 0
    tokens = (example_starts(group.queries)[tiles.examples][:, None] + positions).clip(0)
    # The number of dense rows up to a query increases from one query of a tile to the next if a dense row is between.
    num_dense = np.cumsum(dense)[tokens]
    begins = is_query.copy()
    begins[:, 1:] &= (np.diff(num_dense, axis=1) > 0) | (np.diff(positions, axis=1) > step)
    ends = is_query.copy()
    ends[:, :-1] &= begins[:, 1:] | ~is_query[:, 1:]
    tile = np.nonzero(begins)[0]
    return tile, tiles.examples[tile], positions[begins], positions[ends]


def _merge_runs(tile: IntArray, keys: IntArray, certain: BoolArray, num_runs: IntArray) -> Entries:
    """Merge the entries of the runs of each tile.

    Args:
        tile: int64 [entries], the tile of each entry.
        keys: int64 [entries], its key.
        certain: bool [entries], whether the key is certain for all queries of the run.
        num_runs: int64 [tiles], number of runs of each tile.

    Returns:
        As `_possible_keys`; a key is certain if it is certain for all runs of the tile.
    """
    radix = int(keys.max(initial=0)) + 1
    codes, member = np.unique(tile * radix + keys, return_inverse=True)  # one code for each tile and key, in order
    merged, merged_keys = codes // radix, codes % radix
    return merged, merged_keys, np.bincount(member, weights=certain, minlength=len(codes)) == num_runs[merged]
