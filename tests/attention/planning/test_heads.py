"""Heads are grouped by their mask, and the mask is evaluated for chosen pairs."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import Mask, MaskError, MissingColumn, parse
from finetune.attention.planning import heads
from finetune.attention.planning.heads import (
    allowed_pairs,
    check_evaluable,
    example_sizes,
    example_starts,
    head_groups,
    mask_bounds,
)
from tests.attention.expressions import NUM_HEADS, masks
from tests.attention.planning.test_planner import stream

LAYOUT = Ragged.from_lengths([5, 3])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("window(1)", [(0, 4)]),
        ("per_head(full(), none())", [(0, 2), (2, 4)]),
        ("per_head(full(), none(), full(), full())", [(0, 1), (1, 2), (2, 4)]),
        ("custom(every_third)", [(0, 1), (1, 2), (2, 3), (3, 4)]),
    ],
)
def test_neighbouring_heads_with_one_mask_are_a_group(text: str, expected: list[tuple[int, int]]) -> None:
    groups = head_groups(parse(text), LAYOUT, LAYOUT, NUM_HEADS)
    assert [(group.heads.start, group.heads.stop) for group in groups] == expected
    assert all(group.strategy is None for group in groups)


def test_heads_that_masks_cannot_share_are_refused() -> None:
    with pytest.raises(MaskError, match="multiple of 3"):
        head_groups(parse("per_head(full(), none(), causal())"), LAYOUT, LAYOUT, NUM_HEADS)


def test_a_missing_column_is_an_error_although_bounds_are_unknown() -> None:
    (group,) = head_groups(parse("same(word)"), LAYOUT, LAYOUT, NUM_HEADS)
    with pytest.raises(MissingColumn, match="'word'"):
        check_evaluable(group)
    empty = Ragged.from_lengths([])
    check_evaluable(head_groups(parse("full()"), empty, empty, NUM_HEADS)[0])


def test_sizes_and_starts_are_those_of_the_stream() -> None:
    assert example_sizes(LAYOUT).tolist() == [5, 3]
    assert example_starts(LAYOUT).tolist() == [0, 5]


@settings(deadline=None, max_examples=60)
@given(masks, st.lists(st.integers(1, 12), min_size=1, max_size=4), st.integers(0, 99))
def test_pairs_are_those_of_the_mask_and_bounds_hold(mask: Mask, sizes: list[int], seed: int) -> None:
    layout = stream(sizes, seed)
    dense = ragged_mask(mask, layout, num_heads=NUM_HEADS).expand(NUM_HEADS, -1, -1).numpy()
    starts = example_starts(layout)
    generator = np.random.default_rng(seed)
    examples = generator.integers(0, len(sizes), 6)
    ends = [np.sort(generator.integers(0, np.array(sizes)[examples], (2, 6)), axis=0) for _ in range(2)]
    for group in head_groups(mask, layout, layout, NUM_HEADS):
        possible, certain = mask_bounds(group, examples, *ends[0], *ends[1])
        for block, example in enumerate(examples):
            q, k = (slice(starts[example] + side[0, block], starts[example] + side[1, block] + 1) for side in ends)
            expected = dense[group.heads.start, q, k]
            assert possible[block] or not expected.any()
            assert expected.all() or not certain[block]
            queries, keys = (np.arange(side[0, block], side[1, block] + 1) for side in ends)
            found = allowed_pairs(group, np.full((len(queries), 1), example), queries[:, None], keys[None])
            assert np.array_equal(found, expected)


def test_evaluation_in_portions_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    (group,) = head_groups(parse("window(2) & causal()"), LAYOUT, LAYOUT, 1)
    arguments = np.zeros((5, 1), dtype=np.int64), np.arange(5)[:, None], np.arange(5)[None]
    at_once = allowed_pairs(group, *arguments)
    monkeypatch.setattr(heads, "PAIRS_AT_ONCE", 7)
    assert np.array_equal(allowed_pairs(group, *arguments), at_once)
    assert torch.equal(torch.from_numpy(at_once), parse("window(2) & causal()").dense(5)[0])
