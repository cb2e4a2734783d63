import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import Mask, parse
from finetune.attention.planning import explain
from tests.attention.expressions import NUM_HEADS, masks

lengths = st.lists(st.integers(0, 12), max_size=4)


def stream(sizes: list[int]) -> Ragged:
    total = sum(sizes)
    columns = {"word": torch.arange(total) // 3, "is_cls": (torch.arange(total) % 5 == 0).long()}
    return Ragged.from_lengths(sizes, columns, {"source_length": torch.tensor(sizes, dtype=torch.int64) // 2})


@settings(deadline=None, max_examples=60)
@given(masks, st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=4), st.booleans())
def test_pairs_are_those_of_the_mask_and_of_the_square(mask: Mask, sizes: list[tuple[int, int]], cross: bool) -> None:
    queries = stream([size for size, _ in sizes])
    keys = stream([size for _, size in sizes]) if cross else queries
    found = explain(mask, queries, keys, NUM_HEADS)
    allowed = ragged_mask(mask, queries, keys, num_heads=NUM_HEADS).expand(NUM_HEADS, -1, -1)
    assert found.allowed_pairs == int(allowed.sum())
    assert found.allowed_pairs <= found.computed_pairs
    longest = [max(side.sizes, default=0) for side in (queries, keys)]
    assert found.padded_pairs == len(sizes) * NUM_HEADS * longest[0] * longest[1]
    assert 0 <= found.allowed_share <= 1


def test_a_sparse_mask_over_long_examples_saves_nearly_all() -> None:
    layout = Ragged.from_lengths([4096, 1000])
    found = explain(parse("window(64) | global_tokens(0)"), layout, layout, 12)
    assert found.kernel.startswith("blocks of ")
    assert found.allowed_pairs <= found.computed_pairs < 2 * found.allowed_pairs
    assert found.saving > 0.9


def test_examples_of_one_length_that_see_everything_save_nothing() -> None:
    layout = Ragged.from_lengths([24, 24])
    found = explain(parse("full()"), layout, layout, 12)
    assert found.kernel == "whole examples"
    assert found.allowed_share == found.computed_share == 1
    assert found.saving == pytest.approx(0)


def test_heads_with_masks_of_their_own_are_explained_apart() -> None:
    layout = Ragged.from_lengths([1024])
    found = explain(parse("per_head(window(8), none(), full())"), layout, layout, 12)
    assert found.heads == ((0, 3), (4, 7), (8, 11))
    assert found.kernel.startswith("heads 0-3 blocks of ")


def test_a_kernel_that_is_chosen_is_explained() -> None:
    layout = Ragged.from_lengths([1024])
    assert explain(parse("window(8)"), layout, layout, 12, kernel="whole").kernel == "whole examples"


def test_steps_are_named() -> None:
    layout = Ragged.from_lengths([2048])
    assert "queries 8 apart" in explain(parse("strided(8)"), layout, layout, 12).kernel
