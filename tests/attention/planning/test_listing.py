"""Tiles whose keys are listed, and whose queries are sorted, are exact under every mask."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.kernels.plan import AttentionPlan, compile_plan
from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask, none, parse, random_keys
from finetune.attention.planning import plan, rows
from finetune.attention.planning.blocks import find_tiles, tile_batches
from finetune.attention.planning.heads import head_groups
from finetune.attention.planning.key_sets import dense_rows
from finetune.attention.planning.listing import rows_column, split_alternatives
from finetune.attention.planning.rows import with_rows
from tests.attention.expressions import NUM_HEADS, masks
from tests.attention.planning.test_planner import HEAD_DIM, outcomes, stream

COLUMNS = (None, "word", rows_column(parse("custom(every_third)")), rows_column(parse("~custom(every_third)")))
listed = st.sampled_from(
    [
        "same(word)",
        "same(word) & window(3)",
        "same(word) & ~causal()",
        "same(word) | global_tokens(cls)",
        "same(word) | window(2) | global_tokens(0)",
        "~same(word)",
        "random_keys(2, 1)",
        "random_keys(2, 1, by_head=true) & causal()",
        "random_keys(1, 0) | random_keys(2, 1) | same(word)",
        "random_keys(3, 1) & same(word) | window(1)",
        "custom(every_third) & causal() | global_tokens(0)",
        "~custom(every_third) | same(word)",
    ]
).map(parse)


def sorted_plan(
    mask: Mask, queries: Ragged, keys: Ragged, size: int, column: str | None, has_relative_bias: bool
) -> AttentionPlan:
    """Return the plan of tiles whose queries are chosen by a column, whatever it costs."""
    batches = []
    for group in map(with_rows, head_groups(mask, queries, keys, NUM_HEADS)):
        tiles = find_tiles(group, dense_rows(group, column), size, 1, column=column)
        batches += tile_batches(group, tiles, HEAD_DIM, has_relative_bias)
    return compile_plan(batches, queries.total, keys.total, NUM_HEADS)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(listed, masks),
    st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4),
    st.booleans(),
    st.integers(1, 7),
    st.sampled_from(COLUMNS),
    st.sampled_from([-1.0, rows.OPEN]),
    st.integers(0, 2**31),
)
def test_tiles_sorted_by_a_column_are_the_reference(
    mask: Mask, sizes: list[tuple[int, int]], is_cross: bool, size: int, column: str | None, opened: float, seed: int
) -> None:
    queries = stream([size for size, _ in sizes], seed, scattered=True)
    keys = stream([size for _, size in sizes], seed + 1, scattered=True) if is_cross else queries
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "OPEN", opened)  # rows of custom masks are also used where bounds would do
        made = sorted_plan(mask, queries, keys, size, column, not is_cross)
    found, expected = outcomes(mask, queries, keys, not is_cross, None, seed, made)
    torch.testing.assert_close(found, expected)


def share(text: str, columns: dict[str, torch.Tensor], length: int) -> float:
    layout = Ragged.from_lengths([length], columns)
    return plan(parse(text), layout, layout, 1).num_weights / length**2


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("same(group)", 1.2),
        ("same(group) | global_tokens(0)", 1.2),
        ("same(group) & window(300)", 1.2),
        ("random_keys(4, 1)", 1.5),
        ("random_keys(4, 1, by_head=true) | global_tokens(0)", 1.5),
    ],
)
def test_scattered_keys_cost_about_what_contiguous_ones_do(text: str, most: float) -> None:
    length = 2000
    positions = torch.arange(length)
    scattered = share(text, {"group": positions % 40}, length)
    # 40 groups allow a fortieth; tiles of 32 queries hold 128 of 2,000 random keys.
    assert scattered < most * max(1 / 40, 0 if "same" in text else 128 / 2000)
    assert scattered < 1.1 * share(text, {"group": positions // 50}, length) or "window" in text


def test_groups_of_every_size_share_tiles_without_being_cut() -> None:
    sizes = [1, 2, 70, 3, 200, 5]
    group = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    group = group[torch.randperm(len(group), generator=torch.Generator().manual_seed(0))]
    layout = Ragged.from_lengths([len(group)], {"group": group})
    [heads] = head_groups(parse("same(group)"), layout, layout, 1)
    tiles = find_tiles(heads, np.zeros(layout.total, dtype=bool), 64, 1, column="group")
    held = [set(group[tile[tile >= 0]].tolist()) for tile in tiles.queries]
    assert sorted(map(sorted, held)) == [[0, 1, 3, 5], [2], [2], [4], [4], [4], [4]]
    assert sorted(tiles.queries[tiles.queries >= 0].tolist()) == list(range(layout.total))


def test_only_alternatives_with_a_list_are_listed() -> None:
    layout = stream([40], 0)
    [group] = head_groups(parse("window(2) | random_keys(2, 1) & causal() | same(word)"), layout, layout, 1)
    assert split_alternatives(group) == (
        parse("window(2) | same(word)"),
        (parse("random_keys(2, 1) & causal()"),),
    )
    assert split_alternatives(group, "word")[0] == parse("window(2)")
    [group] = head_groups(random_keys(2, 1), layout, layout, 1)
    assert split_alternatives(group) == (none(), (random_keys(2, 1),))
