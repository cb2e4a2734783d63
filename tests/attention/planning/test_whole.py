"""Whole examples: padding, the masks that need no evaluation, and the first queries alone."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import Mask, parse
from finetune.attention.planning import plan, plan_cls_only
from finetune.attention.planning.whole import whole_examples
from tests.attention.expressions import NUM_HEADS, masks
from tests.attention.planning.test_planner import HEAD_DIM, stream


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 12), min_size=0, max_size=5), masks, st.integers(0, 2**16))
def test_the_first_queries_alone_attend_as_among_all(sizes: list[int], mask: Mask, seed: int) -> None:
    layout = stream(sizes, seed)
    generator = torch.Generator().manual_seed(seed)
    shape = layout.total, NUM_HEADS, HEAD_DIM
    leaves = [torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    query, key, value = leaves
    cls_only = plan_cls_only(mask, layout, NUM_HEADS, head_dim=HEAD_DIM)
    alone = tiled_attention(query[layout.starts], key, value, cls_only)
    among_all = tiled_attention(query, key, value, plan(mask, layout, layout, NUM_HEADS))[layout.starts]
    torch.testing.assert_close(alone, among_all)
    gradient = torch.randn(alone.shape, generator=generator, dtype=torch.float64)
    found, expected = (torch.autograd.grad(one, leaves, gradient, materialize_grads=True) for one in (alone, among_all))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("text", ["full()", "causal()", "window(1)", "per_head(full(), none())"])
def test_a_batch_allows_what_the_mask_allows_in_each_example(text: str) -> None:
    layout, mask = Ragged.from_lengths([5, 3, 0, 5]), parse(text)
    expected = ragged_mask(mask, layout, num_heads=NUM_HEADS).expand(NUM_HEADS, -1, -1)
    covered = torch.zeros_like(expected)
    for batch in whole_examples(mask, range(NUM_HEADS), layout, layout, NUM_HEADS):
        allowed = (batch.keys >= 0)[:, None, None] if batch.allowed is None else batch.allowed
        for queries, keys, pairs in zip(batch.queries, batch.keys, allowed.expand(batch.shape), strict=True):
            q, k = queries >= 0, keys >= 0
            covered[:, queries[q][:, None], keys[k]] = pairs[:, q][:, :, k]
    assert torch.equal(covered, expected)


def test_examples_that_fill_their_batch_need_no_mask_under_full() -> None:
    layout = Ragged.from_lengths([16, 16])
    (batch,) = whole_examples(parse("full()"), range(2), layout, layout, 2)
    assert batch.allowed is None
    shorter = Ragged.from_lengths([16, 15])
    (padded,) = whole_examples(parse("full()"), range(2), shorter, shorter, 2)
    assert padded.allowed is not None


def test_all_tiles_of_a_batch_share_one_index_of_distances() -> None:
    layout = Ragged.from_lengths([16, 14])
    (batch,) = whole_examples(parse("full()"), range(2), layout, layout, 2, has_relative_bias=True)
    assert batch.bias_index is not None
    assert batch.bias_index.shape == (1, 16, 16)
    assert batch.bias_index[0, 3, 5] == 15 + 2, "the middle of a table of 31 entries, and two to the right"
