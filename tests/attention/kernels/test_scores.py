"""Numbers of score terms in the kernels of padded rows, and their arithmetic."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.fused import Allowed, fused_attention
from finetune.attention.kernels.scores import PairScores, at_least_float32, with_scores
from finetune.attention.layout import PaddingSide, padded_mask, padded_scores
from finetune.attention.masks import parse
from tests.attention.expressions import NUM_HEADS
from tests.attention.layout.batches import Batch, batches, padded_with, sides
from tests.attention.layout.test_scores import example_of
from tests.attention.score_terms import scored_texts, scores_by_loops

HEAD_DIM = 3


@settings(deadline=None, max_examples=60)
@given(data=st.data(), batch=batches(), side=sides, with_bias=st.booleans(), seed=st.integers(0, 1000))
def test_rows_give_the_output_and_gradients_of_the_definition(
    data: st.DataObject, batch: Batch, side: PaddingSide, with_bias: bool, seed: int
) -> None:
    text = data.draw(scored_texts(in_cross=batch.keys is not None))
    mask = parse(text)
    queries = padded_with(batch.queries, side, 1)
    keys = queries if batch.keys is None else padded_with(batch.keys, side, 0)
    rows, lengths = len(batch.alone), (queries.padded_length, keys.padded_length)
    generator = torch.Generator().manual_seed(seed)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64, requires_grad=True)

    query, key, value = (leaf(rows, NUM_HEADS, length, HEAD_DIM) for length in (lengths[0], lengths[1], lengths[1]))
    bias = leaf(1, NUM_HEADS, *lengths)
    leaves = [query, key, value, bias] if with_bias else [query, key, value]
    other = None if batch.keys is None else keys
    allowed = padded_mask(mask.boolean, queries, other, num_heads=NUM_HEADS)
    numbers = torch.zeros(rows, NUM_HEADS, *lengths, dtype=torch.float64)
    for row, alone in enumerate(batch.alone):
        cells = queries.valid[row][:, None] & keys.valid[row]
        numbers[row, :, cells] = scores_by_loops(text, example_of(alone)).flatten(1)
    expected, _ = dense_attention(query, key, value, allowed, bias=numbers + bias if with_bias else numbers)
    scores = padded_scores(mask, queries, other, num_heads=NUM_HEADS)
    total = with_scores(bias if with_bias else None, scores, query.dtype)
    found = fused_attention(query, key, value, Allowed.of(allowed), bias=total)
    gradient = torch.randn(found.shape, generator=generator, dtype=torch.float64)
    outcomes = [
        [output.detach(), *torch.autograd.grad(output, leaves, gradient, materialize_grads=True)]
        for output in (found, expected)
    ]
    torch.testing.assert_close(*outcomes)


def test_a_part_has_the_numbers_of_its_tiles_and_heads() -> None:
    pairs, factors = torch.randn(3, 4, 2, 5), torch.randn(4, dtype=torch.float64)
    whole = PairScores(pairs, factors).product(torch.float64)
    part = PairScores(pairs, factors).part(slice(1, 3), slice(2, 4))
    assert part.product(torch.float64).equal(whole[1:3, 2:4])
    shared = PairScores(pairs[:1, :1], factors).part(slice(1, 3), slice(2, 4))
    assert shared.pairs.shape == (1, 1, 2, 5)
    assert shared.factors.equal(factors[2:4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_added_in_place_and_to_a_bias(dtype: torch.dtype) -> None:
    scores = torch.randn(3, 4, 2, 5, dtype=dtype)
    term = PairScores(torch.randn(1, 1, 2, 5), torch.randn(4, dtype=torch.float64))
    added = scores.clone()
    term.add_to(added)
    torch.testing.assert_close(added, scores + term.product(dtype))
    total = with_scores(scores, [term, term], dtype)
    assert total is not None
    torch.testing.assert_close(total, scores + 2 * term.product(dtype))
    assert with_scores(scores, (), dtype) is scores
    assert with_scores(None, (), dtype) is None


def test_narrow_types_are_computed_in_float32() -> None:
    types = (torch.bfloat16, torch.float16, torch.float32, torch.float64)
    assert [at_least_float32(one) for one in types] == [torch.float32] * 3 + [torch.float64]
    term = PairScores(torch.ones(1, 1, 1, 1), torch.ones(2, dtype=torch.float64))
    total = with_scores(None, [term], torch.bfloat16)
    assert total is not None
    assert total.dtype == torch.float32
