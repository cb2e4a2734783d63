import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.kernels import dense_attention

BATCH, HEADS, WIDTH = 2, 2, 4
lengths = st.integers(0, 5)


def random_inputs(queries: int, keys: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return query, key, value, a random mask whose first row, if any, is empty, and a bias."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(BATCH, HEADS, queries, WIDTH), (BATCH, HEADS, keys, WIDTH), (BATCH, HEADS, keys, 3)]
    query, key, value = (torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes)
    allowed = torch.rand(BATCH, HEADS, queries, keys, generator=generator) > 0.5
    allowed[:, :, :1] = False
    bias = torch.randn(1, HEADS, queries, keys, generator=generator, dtype=torch.float64).requires_grad_()
    return query, key, value, allowed, bias


@settings(deadline=None, max_examples=30)
@given(queries=lengths, keys=lengths, seed=st.integers(0, 1000))
def test_it_is_attention_number_by_number(queries: int, keys: int, seed: int) -> None:
    query, key, value, allowed, bias = (tensor.detach() for tensor in random_inputs(queries, keys, seed))
    output, weights = dense_attention(query, key, value, allowed, bias=bias)
    for b in range(BATCH):
        for h in range(HEADS):
            for q in range(queries):
                score = [
                    math.exp(float(query[b, h, q] @ key[b, h, k]) / math.sqrt(WIDTH) + float(bias[0, h, q, k]))
                    * bool(allowed[b, h, q, k])
                    for k in range(keys)
                ]
                expected = torch.tensor([each / (sum(score) or 1.0) for each in score], dtype=torch.float64)
                torch.testing.assert_close(weights[b, h, q], expected)
                torch.testing.assert_close(output[b, h, q], expected @ value[b, h])


@settings(deadline=None, max_examples=30)
@given(queries=st.integers(1, 5), keys=lengths, seed=st.integers(0, 1000))
def test_an_empty_row_is_zero_with_zero_gradient(queries: int, keys: int, seed: int) -> None:
    query, key, value, allowed, bias = random_inputs(queries, keys, seed)
    output, weights = dense_attention(query, key, value, allowed, bias=bias)
    gradients = torch.autograd.grad(output.square().sum(), (query, key, value, bias))
    empty = ~allowed.any(-1)
    assert output[empty].eq(0).all()
    assert weights[empty].eq(0).all()
    assert gradients[0][empty].eq(0).all()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_a_masked_key_has_neither_weight_nor_gradient() -> None:
    query, key, value, _, _ = random_inputs(3, 3, seed=0)
    allowed = torch.tensor([True, False, True])
    output, weights = dense_attention(query, key, value, allowed)
    key_gradient, value_gradient = torch.autograd.grad(output.square().sum(), (key, value))
    assert weights[..., 1].eq(0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, HEADS, 3, dtype=torch.float64))
    assert key_gradient[:, :, 1].eq(0).all()
    assert value_gradient[:, :, 1].eq(0).all()


def test_gradients_are_those_of_finite_differences() -> None:
    query, key, value, allowed, bias = random_inputs(3, 4, seed=1)

    def output(query: Tensor, key: Tensor, value: Tensor, bias: Tensor) -> Tensor:
        return dense_attention(query, key, value, allowed, bias=bias)[0]

    assert torch.autograd.gradcheck(output, (query, key, value, bias))


@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
def test_it_is_scaled_dot_product_attention(scale: float | None) -> None:
    query, key, value, allowed, bias = random_inputs(4, 5, seed=2)
    allowed = allowed.clone()
    allowed[..., 0] = True
    output, _ = dense_attention(query, key, value, allowed, bias=bias, scale=scale)
    additive = bias.masked_fill(~allowed, -math.inf)
    expected = torch.nn.functional.scaled_dot_product_attention(query, key, value, additive, scale=scale)
    torch.testing.assert_close(output, expected)


def test_it_computes_in_the_type_asked_for() -> None:
    query, key, value, allowed, _ = (tensor.detach() for tensor in random_inputs(3, 3, seed=3))
    exact, _ = dense_attention(query, key, value, allowed)
    rounded, _ = dense_attention(query.bfloat16(), key.bfloat16(), value.bfloat16(), allowed)
    again, weights = dense_attention(query.float(), key.float(), value.float(), allowed, dtype=torch.float64)
    assert rounded.dtype == torch.bfloat16
    assert again.dtype == weights.dtype == torch.float64
    torch.testing.assert_close(again, exact, atol=1e-6, rtol=1e-5)


def test_dropout_drops_weights_and_keeps_their_mean() -> None:
    query, key = torch.zeros(1, 1, 200, 1), torch.zeros(1, 1, 50, 1)
    torch.manual_seed(0)
    output, weights = dense_attention(query, key, torch.ones(1, 1, 50, 1), dropout=0.25)
    assert sorted({*weights.flatten().tolist()}) == pytest.approx([0.0, 1 / 50 / 0.75])
    assert output.mean().item() == pytest.approx(1.0, abs=0.02)


def test_a_mask_of_another_convention_is_refused() -> None:
    query, key, value, allowed, _ = random_inputs(2, 2, seed=4)
    for mask in (allowed.long(), allowed.float()):
        with pytest.raises(TypeError, match="allowed must be boolean with True for attend"):
            dense_attention(query, key, value, mask)
