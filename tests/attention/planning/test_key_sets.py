"""Dense rows are found and kept apart, and tiles hold exactly the keys that their queries may attend to."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask, parse
from finetune.attention.planning.heads import HeadGroup, head_groups
from finetune.attention.planning.key_sets import dense_rows, find_keys, separate_dense_rows, without_dense_rows
from finetune.attention.planning.tiles import cut_queries
from tests.attention.expressions import masks
from tests.attention.planning.test_blocks import stream
from tests.attention.planning.test_planner import stream as stream_with_features


def group_of(text: str, layout: Ragged) -> HeadGroup:
    return head_groups(parse(text), layout, layout, 1)[0]


def test_dense_rows_are_those_of_global_tokens() -> None:
    layout = stream(1000, 40, 600)
    group = group_of("window(20) | global_tokens(3, -1) | global_tokens(cls)", layout)
    marked = layout.columns["is_cls"].numpy() != 0
    edges = np.zeros(layout.total, dtype=bool)
    edges[[3, 999, 1043, 1043]] = True
    found = np.flatnonzero(dense_rows(group)[:1000])
    assert found.tolist() == np.flatnonzero((marked | edges)[:1000]).tolist()


@pytest.mark.parametrize("text", ["full()", "causal()", "window(100)", "none()"])
def test_without_global_tokens_no_row_is_dense(text: str) -> None:
    layout = stream(1000, 300)
    assert not dense_rows(group_of(text, layout)).any()


def test_dense_rows_get_tiles_of_their_own() -> None:
    layout = Ragged.from_lengths([6, 0, 5])
    group = group_of("full()", layout)
    dense = np.zeros(11, dtype=bool)
    dense[[1, 4, 6]] = True  # two of the first example, one of the last
    tiles = cut_queries(np.array([6, 0, 5]), 4)
    assert without_dense_rows(group, tiles, dense).queries.tolist() == [
        [0, 2, 3, -1], [5, -1, -1, -1], [1, 2, 3, -1], [4, -1, -1, -1]
    ]  # fmt: skip
    separated = separate_dense_rows(group, tiles, dense)
    assert separated.queries[4:].tolist() == [[1, 4, -1, -1], [0, -1, -1, -1]]
    assert separated.examples.tolist() == [0, 0, 2, 2, 0, 2]


@settings(deadline=None, max_examples=80)
@given(masks, st.lists(st.integers(0, 12), max_size=4), st.integers(1, 5), st.integers(1, 3), st.integers(0, 99))
def test_tiles_hold_the_keys_of_their_queries_and_no_others(
    mask: Mask, sizes: list[int], size: int, step: int, seed: int
) -> None:
    layout = stream_with_features(sizes, seed)
    group = head_groups(mask, layout, layout, 4)[0]
    dense = np.random.default_rng(seed).random(layout.total) < 0.2  # any rows may be kept apart
    tiles = separate_dense_rows(group, cut_queries(np.array(sizes, dtype=np.int64), size, step), dense)
    found = find_keys(group, tiles, dense, step)
    features = {**layout.columns, **layout.values}
    starts = np.cumsum(sizes) - np.array(sizes, dtype=np.int64)
    unsure = 0
    for tile, example in enumerate(found.examples):
        tokens = slice(int(starts[example]), int(starts[example]) + sizes[example])
        own = {name: column[tokens] if name in layout.columns else column[example] for name, column in features.items()}
        allowed = group.mask.dense(sizes[example], num_heads=4, features=own)[group.heads.start].numpy()
        queries = found.queries[tile][found.queries[tile] >= 0]
        entries = range(found.key_offsets[tile], found.key_offsets[tile + 1])
        assert sorted(found.keys[entries].tolist()) == np.flatnonzero(allowed[queries].any(0)).tolist()
        certain = found.certain[entries]
        assert (np.diff(certain.astype(int)) <= 0).all(), "certain keys come first"
        for entry in entries:
            column = allowed[queries, found.keys[entry]]
            if found.certain[entry]:
                assert column.all()
            else:
                assert found.allowed[unsure][: len(queries)].tolist() == column.tolist()
                unsure += 1
