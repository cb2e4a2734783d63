"""Tiles: cutting queries, splitting, merging."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.planning.tiles import Tiles, cut_queries, expand_counts, merge_tiles, offsets, split_tiles


def random_tiles(key_counts: list[int], seed: int, size: int = 3) -> Tiles:
    generator = np.random.default_rng(seed)
    counts = np.array(key_counts, dtype=np.int64)
    tile, _ = expand_counts(counts)
    certain = generator.random(len(tile)) < 0.5
    certain = certain[np.lexsort((~certain, tile))]
    return Tiles(
        examples=generator.integers(0, 4, len(counts)),
        queries=np.sort(generator.integers(0, 9, (len(counts), size)), axis=1),
        key_offsets=offsets(counts),
        keys=generator.integers(0, 99, len(tile)),
        certain=certain,
        allowed=generator.random((int((~certain).sum()), size)) < 0.5,
    )


def content(tiles: Tiles) -> list[tuple[object, ...]]:
    """Return the contents of each tile, tile by tile."""
    rows = iter(tiles.allowed.tolist())
    found: list[tuple[object, ...]] = []
    for tile, (start, stop) in enumerate(zip(tiles.key_offsets[:-1], tiles.key_offsets[1:], strict=True)):
        keys = [
            (int(key), None if certain else tuple(next(rows)))
            for key, certain in zip(tiles.keys[start:stop], tiles.certain[start:stop], strict=True)
        ]
        found.append((int(tiles.examples[tile]), tuple(tiles.queries[tile].tolist()), tuple(keys)))
    return found


@given(st.lists(st.integers(0, 4), min_size=1, max_size=8), st.integers(0, 99), st.data())
def test_split_takes_each_tile_with_all_it_holds(key_counts: list[int], seed: int, data: st.DataObject) -> None:
    tiles = random_tiles(key_counts, seed)
    everything = content(tiles)
    numbers = st.lists(st.integers(0, len(key_counts) - 1), max_size=8)
    members = data.draw(st.lists(numbers, max_size=3))
    parts = split_tiles(tiles, [np.array(chosen, dtype=np.int64) for chosen in members])
    assert [content(part) for part in parts] == [[everything[tile] for tile in chosen] for chosen in members]


@given(st.lists(st.lists(st.integers(0, 4), max_size=4), min_size=1, max_size=4), st.integers(0, 99))
def test_merge_puts_tiles_one_after_the_other(key_counts: list[list[int]], seed: int) -> None:
    parts = [random_tiles(counts, seed + number) for number, counts in enumerate(key_counts)]
    assert content(merge_tiles(parts)) == [tile for part in parts for tile in content(part)]


def test_expanded_counts_name_the_owner_and_count_within_it() -> None:
    owner, index = expand_counts(np.array([2, 0, 3]))
    assert owner.tolist() == [0, 0, 2, 2, 2]
    assert index.tolist() == [0, 1, 0, 1, 2]
    assert offsets(np.array([2, 0, 3])).tolist() == [0, 2, 2, 5]


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=5), st.integers(1, 8), st.integers(1, 5))
def test_tiles_hold_every_query_once_in_steps(sizes: list[int], size: int, step: int) -> None:
    tiles = cut_queries(np.array(sizes, dtype=np.int64), size, step)
    held = sorted(
        (int(example), int(position))
        for example, row in zip(tiles.examples, tiles.queries, strict=True)
        for position in row
        if position >= 0
    )
    assert held == [(example, position) for example, length in enumerate(sizes) for position in range(length)]
    gaps = np.diff(tiles.queries, axis=1)[tiles.queries[:, 1:] >= 0]
    assert (gaps == step).all()
    assert (tiles.query_counts > 0).all()
