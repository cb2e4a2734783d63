"""Keys that are listed: masks that name the keys of each query, so that the square need not be searched for them.

A mask is a union of alternatives. Of an alternative that is a draw of random keys, or a draw under further conditions,
the keys of a query can be listed; `same(column)` lists the keys of a group of queries with one value. The bounds of the
other alternatives are searched as usual, and the keys of both are merged.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch

from finetune.attention.masks import Mask, none
from finetune.attention.masks.operators import And, Or
from finetune.attention.masks.random_keys import RandomKeys
from finetune.attention.masks.same import Same
from finetune.attention.planning.heads import (
    BoolArray,
    HeadGroup,
    IntArray,
    allowed_pairs,
    example_sizes,
    example_starts,
    mask_bounds,
)
from finetune.attention.planning.rows import tile_keys
from finetune.attention.planning.tiles import Tiles, expand_counts

Entries = tuple[IntArray, IntArray, BoolArray]
"""The tile of each entry, int64; its key, int64; and whether the key is certain for all queries of the tile, bool."""


def split_alternatives(group: HeadGroup, column: str | None = None) -> tuple[Mask, tuple[Mask, ...]]:
    """Split a mask into a part that has to be searched, and alternatives whose keys are listed.

    Args:
        group: The heads, with their mask.
        column: The column by which the queries of a tile are chosen; only under this one does `same` list its keys.

    Returns:
        The union of the alternatives that have no list, and the other alternatives.
    """
    alternatives = group.mask.alternatives()
    listed = tuple(one for one in alternatives if _source(group, one, column) is not None)
    if not listed:
        return group.mask, ()
    return Or.of(*(one for one in alternatives if _source(group, one, column) is None)), listed


def searched_part(group: HeadGroup, column: str | None = None) -> HeadGroup:
    """Return the heads with that part of their mask which `split_alternatives` does not list."""
    searched, listed = split_alternatives(group, column)
    return replace(group, mask=searched) if listed else group


def _source(group: HeadGroup, mask: Mask, column: str | None) -> Mask | None:
    """Return the mask whose list of keys holds all keys of an alternative; None where it has no list."""
    for member in mask.members if isinstance(mask, And) else (mask,):
        is_sorted = isinstance(member, Same) and member.column == column
        if isinstance(member, RandomKeys) or is_sorted or member in group.rows:
            return member
    return None


def listed_entries(group: HeadGroup, alternative: Mask, tiles: Tiles, column: str | None) -> Entries:
    """Return the keys of an alternative that queries of each tile may attend to, and perhaps some others.

    Args:
        group: The heads, with their streams.
        alternative: One of the listed alternatives of their mask.
        tiles: Tiles without keys.
        column: As in `split_alternatives`.
    """
    source = _source(group, alternative, column)
    assert source is not None
    if isinstance(source, RandomKeys):
        found = _drawn(group, source, tiles)
    else:
        found = _equal(group, source, tiles) if isinstance(source, Same) else _of_rows(group, source, tiles)
    if alternative is source:
        return found
    # The other members of an and are asked for bounds: a list of thousands of keys may shrink to a window.
    tile, keys, _ = found
    first, last = tiles.queries[tile, 0], tiles.queries[tile].max(1, initial=0)
    bounded = replace(group, mask=alternative)
    possible, certain = mask_bounds(bounded, tiles.examples[tile], first, last, keys, keys, steps=(1, 0))
    return tile[possible], keys[possible], certain[possible]


def _drawn(group: HeadGroup, mask: RandomKeys, tiles: Tiles) -> Entries:
    """Return the keys that are drawn for the queries of each tile."""
    sizes = example_sizes(group.keys)[tiles.examples]
    # Where no more keys exist than are drawn, every query may attend to all of them.
    everything, every_key = expand_counts(np.where(sizes <= mask.number, sizes, 0))
    tile, _, keys = _draws(group, mask, tiles)
    tile, keys = unique_pairs(np.repeat(tile, keys.shape[1]), keys.ravel())
    certain = np.concatenate([np.ones(len(everything), dtype=bool), np.zeros(len(tile), dtype=bool)])
    return np.concatenate([everything, tile]), np.concatenate([every_key, keys]), certain


def _draws(group: HeadGroup, mask: RandomKeys, tiles: Tiles) -> tuple[IntArray, IntArray, IntArray]:
    """Return the draws of the queries that have more keys than are drawn.

    Returns:
        The tile of each query, and its slot in the tile, int64 [queries] each; and its keys, int64 [queries, number].
    """
    sizes = example_sizes(group.keys)[tiles.examples]
    tile, slot = np.nonzero((tiles.queries >= 0) & (sizes > mask.number)[:, None])
    if not (len(tile) and mask.number):
        return tile, slot, np.zeros((len(tile), 0), dtype=np.int64)
    queries, lengths = torch.from_numpy(tiles.queries[tile, slot]), torch.from_numpy(sizes[tile])
    return tile, slot, mask.drawn_keys(torch.tensor(group.heads.start), queries, lengths).numpy()


def allowed_entries(group: HeadGroup, tiles: Tiles, tile: IntArray, keys: IntArray) -> BoolArray:
    """Return which queries of their tile may attend to the keys of entries, bool [entries, size].

    Draws of random keys are written into the result: to evaluate them takes thirty operations for each pair.

    Args:
        group: The heads, with their mask and streams.
        tiles: Tiles without keys.
        tile: int64 [entries], the tile of each entry, ascending.
        keys: int64 [entries], its key, ascending in each tile.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    alternatives = group.mask.alternatives()
    draws = [one for one in alternatives if isinstance(one, RandomKeys)]
    others = Or.of(*(one for one in alternatives if not isinstance(one, RandomKeys))) if draws else group.mask
    examples, positions = tiles.examples[tile], tiles.queries[tile]  # [entries], [entries, size]
    if others == none():
        allowed = np.zeros(positions.shape, dtype=bool)
    else:
        evaluated = replace(group, mask=others)
        allowed = allowed_pairs(evaluated, examples[:, None], positions.clip(0), keys[:, None]) & (positions >= 0)
    radix = int(max(group.keys.sizes, default=0)) + 1
    codes = tile * radix + keys
    for draw in draws if len(codes) else ():
        own, slot, drawn = _draws(group, draw, tiles)
        wanted = own[:, None] * radix + drawn  # [queries, number]
        entry = np.searchsorted(codes, wanted).clip(max=len(codes) - 1)
        listed = codes[entry] == wanted  # a key that is certain has no entry here
        allowed[entry[listed], np.broadcast_to(slot[:, None], entry.shape)[listed]] = True
    return allowed


def _equal(group: HeadGroup, mask: Same, tiles: Tiles) -> Entries:
    """Return the keys that have the value of any query of each tile."""
    query_codes, key_codes = column_codes(group, mask.column)
    tile, slot = np.nonzero(tiles.queries >= 0)
    codes = query_codes[example_starts(group.queries)[tiles.examples[tile]] + tiles.queries[tile, slot]]
    tile, codes = unique_pairs(tile, codes)
    order = np.argsort(key_codes, kind="stable")
    sorted_codes = key_codes[order]
    first = np.searchsorted(sorted_codes, codes, side="left")
    member, index = expand_counts(np.searchsorted(sorted_codes, codes, side="right") - first)
    own = tile[member]
    keys = order[first[member] + index] - example_starts(group.keys)[tiles.examples[own]]
    return own, keys, (np.bincount(tile, minlength=len(tiles.examples)) == 1)[own]


def _of_rows(group: HeadGroup, mask: Mask, tiles: Tiles) -> Entries:
    """Return the keys of a custom mask whose rows are known."""
    parts: list[Entries] = [(np.zeros(0, dtype=np.int64),) * 2 + (np.zeros(0, dtype=bool),)]
    for example in np.unique(tiles.examples):
        members = np.flatnonzero(tiles.examples == example)
        own, keys, certain = tile_keys(group.rows[mask][example], tiles.queries[members])
        parts.append((members[own], keys, certain))
    tile, keys, certain = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return tile, keys, certain


def query_codes(group: HeadGroup, column: str) -> IntArray:
    """Return for each query a number that is equal for queries that belong into one tile, int64 [queries].

    Args:
        group: The heads, with their streams.
        column: Name of a column, or what `rows_column` returned.
    """
    rows = next((found for mask, found in group.rows.items() if rows_column(mask) == column), None)
    if rows is None:
        return column_codes(group, column)[0]
    hashes = np.concatenate([one.codes for one in rows])
    distinct, values = np.unique(hashes, return_inverse=True)
    codes: IntArray = group.queries.example_ids.numpy() * max(len(distinct), 1) + values
    return codes


def rows_column(mask: Mask) -> str:
    """Return what stands for the rows of a custom mask in place of the name of a column."""
    return f"rows of {mask}"


def has_codes(group: HeadGroup, column: str) -> bool:
    """Return whether `query_codes` knows a column: the rows of a custom mask are not always evaluated."""
    return column in group.queries.columns or any(rows_column(mask) == column for mask in group.rows)


def column_codes(group: HeadGroup, column: str) -> tuple[IntArray, IntArray]:
    """Return for each query and each key of a stream a number that two tokens share if example and value are equal.

    Args:
        group: The heads, with their streams.
        column: Name of a column that both streams have.

    Returns:
        int64 [queries] and int64 [keys].
    """
    sides = [group.queries] if group.keys is group.queries else [group.queries, group.keys]
    numbers = np.concatenate([side.columns[column].numpy() for side in sides])
    examples = np.concatenate([side.example_ids.numpy() for side in sides])
    distinct, values = np.unique(numbers, return_inverse=True)
    codes = examples * max(len(distinct), 1) + values
    return codes[: group.queries.total], codes if len(sides) == 1 else codes[group.queries.total :]


def unique_pairs(tile: IntArray, number: IntArray) -> tuple[IntArray, IntArray]:
    """Return the different pairs of a tile and a number that is not negative, sorted."""
    radix = int(number.max(initial=0)) + 1
    codes = np.unique(tile * radix + number)
    return codes // radix, codes % radix


def merge_entries(parts: Iterable[Entries]) -> Entries:
    """Return the entries of several parts in order of tile and key, each once; certain if it is so in any part."""
    tile, keys, certain = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    radix = int(keys.max(initial=0)) + 1
    codes, member = np.unique(tile * radix + keys, return_inverse=True)
    return codes // radix, codes % radix, np.bincount(member, weights=certain, minlength=len(codes)) > 0
