import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.kernels.decode import decode_attention
from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.fused import EVERYTHING, Allowed

HEADS, WIDTH = 2, 4


def random_inputs(examples: int, beams: int, keys: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return query, key, value and bias."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (
        (examples * beams, HEADS, 1, WIDTH),
        (examples, HEADS, keys, WIDTH),
        (examples, HEADS, keys, 3),
        (1, HEADS, 1, keys),
    )
    query, key, value, bias = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return query, key, value, bias


@settings(deadline=None, max_examples=60)
@given(
    examples=st.integers(1, 3),
    beams=st.integers(1, 4),
    keys=st.integers(1, 5),
    heads=st.sampled_from([1, HEADS]),
    with_bias=st.booleans(),
    scale=st.sampled_from([None, 1.0]),
    seed=st.integers(0, 1000),
)
def test_it_equals_dense_attention_to_repeated_keys(
    examples: int, beams: int, keys: int, heads: int, with_bias: bool, scale: float | None, seed: int
) -> None:
    query, key, value, bias = random_inputs(examples, beams, keys, seed)
    given_bias = bias if with_bias else None
    allowed = torch.rand(examples * beams, heads, 1, keys, generator=torch.Generator().manual_seed(seed)) > 0.5
    each_key, each_value = (tensor.repeat_interleave(beams, dim=0) for tensor in (key, value))
    expected, _ = dense_attention(query, each_key, each_value, allowed, bias=given_bias, scale=scale)
    found = decode_attention(query, key, value, Allowed.of(allowed), bias=given_bias, scale=scale)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("rows", [1, 6])
def test_masks_and_biases_of_all_rows_or_of_each(rows: int) -> None:
    query, key, value, bias = random_inputs(examples=2, beams=3, keys=4, seed=0)
    bias = bias.expand(rows, -1, -1, -1)
    allowed = Allowed.of(torch.tensor([[[[True, False, True, True]]]]).expand(rows, -1, -1, -1))
    each_key, each_value = (tensor.repeat_interleave(3, dim=0) for tensor in (key, value))
    expected, _ = dense_attention(query, each_key, each_value, allowed.exact, bias=bias)
    torch.testing.assert_close(decode_attention(query, key, value, allowed, bias=bias), expected)
    everything, _ = dense_attention(query, each_key, each_value)
    torch.testing.assert_close(decode_attention(query, key, value, EVERYTHING), everything)


def test_dropped_weights_are_made_up_for() -> None:
    query, key, value, _ = random_inputs(examples=1, beams=1, keys=4, seed=0)
    torch.manual_seed(0)
    drawn = torch.stack([decode_attention(query, key, value, dropout=0.5) for _ in range(2000)])
    assert (drawn.std(0) > 0).all()
    torch.testing.assert_close(drawn.mean(0), decode_attention(query, key, value), atol=0.15, rtol=0)


def test_half_precision_stays_so() -> None:
    inputs = random_inputs(examples=2, beams=2, keys=4, seed=1)
    query, key, value, _ = (tensor.bfloat16() for tensor in inputs)
    found = decode_attention(query, key, value)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.double(), decode_attention(*inputs[:3]), atol=0.05, rtol=0.05)
