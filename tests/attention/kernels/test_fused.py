from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.fused import EVERYTHING, Allowed, fused_attention

BATCH, HEADS, WIDTH = 2, 2, 4
DEVICE = torch.device("cpu")
lengths = st.integers(0, 5)


def random_inputs(queries: int, keys: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return query, key, value and bias."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (
        (BATCH, HEADS, queries, WIDTH),
        (BATCH, HEADS, keys, WIDTH),
        (BATCH, HEADS, keys, 3),
        (1, HEADS, queries, keys),
    )
    query, key, value, bias = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return query, key, value, bias


def random_mask(queries: int, keys: int, seed: int, heads: int) -> Tensor:
    """Return a random mask, some of whose rows are empty."""
    generator = torch.Generator().manual_seed(seed)
    allowed = torch.rand(BATCH, heads, queries, keys, generator=generator) > 0.5
    allowed[0, :, :1] = False
    return allowed


def outcome(attend: Callable[..., Tensor], inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the output, and the gradients of query, key, value and bias."""
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    output = attend(*leaves)
    weighted = output * torch.linspace(1, 2, output.numel(), dtype=output.dtype).view_as(output)
    return [output.detach(), *torch.autograd.grad(weighted.sum(), leaves, materialize_grads=True)]


@settings(deadline=None, max_examples=40)
@given(queries=lengths, keys=lengths, seed=st.integers(0, 1000), heads=st.sampled_from([1, HEADS]))
def test_it_equals_dense_attention(queries: int, keys: int, seed: int, heads: int) -> None:
    inputs = random_inputs(queries, keys, seed)
    allowed = random_mask(queries, keys, seed, heads)
    expected = outcome(lambda q, k, v, bias: dense_attention(q, k, v, allowed, bias=bias)[0], inputs)
    ready = Allowed.of(allowed)
    fused = outcome(lambda q, k, v, bias: fused_attention(q, k, v, ready, bias=bias), inputs)
    torch.testing.assert_close(fused, expected)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("scale", [None, 1.0])
def test_an_empty_row_is_zero_with_zero_gradient(with_bias: bool, scale: float | None) -> None:
    query, key, value, bias = (tensor.requires_grad_() for tensor in random_inputs(3, 4, seed=0))
    allowed = random_mask(3, 4, seed=0, heads=1)
    output = fused_attention(query, key, value, Allowed.of(allowed), bias=bias if with_bias else None, scale=scale)
    output.square().sum().backward()  # type: ignore[no-untyped-call]
    empty = ~allowed.any(-1).expand(BATCH, HEADS, 3)
    assert empty.any()
    assert output[empty].eq(0).all()
    assert query.grad is not None
    assert query.grad[empty].eq(0).all()
    assert all(each.grad is not None and each.grad.isfinite().all() for each in (query, key, value))


@pytest.mark.parametrize("length", [0, 1, 5])
def test_a_triangle_is_the_causal_mask_with_and_without_bias(length: int) -> None:
    query, key, value, bias = random_inputs(length, length, seed=1)
    triangle = Allowed.triangle(length, DEVICE)
    for given_bias in (None, bias):
        expected, _ = dense_attention(query, key, value, triangle.pairs, bias=given_bias)
        torch.testing.assert_close(fused_attention(query, key, value, triangle, bias=given_bias), expected)


def test_without_a_mask_everything_is_allowed() -> None:
    query, key, value, bias = random_inputs(3, 4, seed=2)
    expected, _ = dense_attention(query, key, value, bias=bias)
    torch.testing.assert_close(fused_attention(query, key, value, EVERYTHING, bias=bias), expected)


def test_a_bias_of_another_precision_is_taken_in_the_precision_of_the_queries() -> None:
    query, key, value, bias = random_inputs(3, 4, seed=3)
    allowed = Allowed.of(random_mask(3, 4, seed=3, heads=1))
    rounded = fused_attention(query.bfloat16(), key.bfloat16(), value.bfloat16(), allowed, bias=bias.float())
    assert rounded.dtype == torch.bfloat16
    torch.testing.assert_close(
        rounded.double(), fused_attention(query, key, value, allowed, bias=bias), atol=0.05, rtol=0.05
    )


def test_compiled_code_treats_empty_rows_alike() -> None:
    query, key, value, bias = random_inputs(3, 4, seed=4)
    allowed = random_mask(3, 4, seed=4, heads=1)

    def attend(pairs: Tensor) -> Tensor:
        return fused_attention(query, key, value, Allowed.of(pairs), bias=bias)

    compiled = torch.compile(attend, backend="eager", fullgraph=True)
    torch.testing.assert_close(compiled(allowed), attend(allowed))
