from typing import Any

import pytest
import torch
from torch import Tensor

from finetune.attention.layers import LayerError, MaskedMultiHeadAttention
from finetune.attention.masks import MaskError, causal, none, per_head, same, window

BATCH, QUERIES, KEYS, WIDTH, HEADS = 2, 4, 6, 8, 2


def states(tokens: int, seed: int = 0) -> Tensor:
    return torch.randn(BATCH, tokens, WIDTH, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def as_torch(attention: MaskedMultiHeadAttention) -> torch.nn.MultiheadAttention:
    """Return torch's module with the same weights."""
    theirs = torch.nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
    projections = (attention.query, attention.key, attention.value)
    theirs.in_proj_weight.data = torch.cat([each.weight.data for each in projections])
    theirs.in_proj_bias.data = torch.cat([each.bias.data for each in projections])
    theirs.out_proj.load_state_dict(attention.output.state_dict())
    return theirs


def test_it_equals_torch_with_the_same_weights_and_a_mask() -> None:
    ours = MaskedMultiHeadAttention(WIDTH, HEADS)
    theirs = as_torch(ours)
    query, memory = states(QUERIES).requires_grad_(), states(KEYS, seed=1)
    padding = torch.tensor([[True] * KEYS, [True] * (KEYS - 2) + [False] * 2])
    expected, expected_weights = theirs(query, memory, memory, key_padding_mask=~padding, average_attn_weights=False)
    output, weights = ours(query, memory, memory, padding[:, None, None], return_weights=True)
    torch.testing.assert_close(output, expected)
    torch.testing.assert_close(weights, expected_weights)
    fused, no_weights = ours(query, memory, memory, padding[:, None, None])
    torch.testing.assert_close(fused, expected)
    assert no_weights is None
    gradients = [torch.autograd.grad(each.square().sum(), query)[0] for each in (fused, expected)]
    torch.testing.assert_close(gradients[0], gradients[1])


def test_it_equals_torch_when_causal() -> None:
    ours = MaskedMultiHeadAttention(WIDTH, HEADS)
    hidden = states(QUERIES)
    future = torch.ones(QUERIES, QUERIES, dtype=torch.bool).triu(1)
    expected, _ = as_torch(ours)(hidden, hidden, hidden, attn_mask=future)
    for mask in (causal(), ~future[None, None]):
        torch.testing.assert_close(ours(hidden, hidden, hidden, mask)[0], expected)


def test_d_k_and_d_v_are_total_widths_of_their_own() -> None:
    attention = MaskedMultiHeadAttention(WIDTH, HEADS, d_k=6, d_v=10)
    assert attention.query.out_features == attention.key.out_features == 6
    assert attention.value.out_features == attention.output.in_features == 10
    output, weights = attention(states(QUERIES), states(KEYS), states(KEYS), return_weights=True)
    assert output.shape == (BATCH, QUERIES, WIDTH)
    assert weights.shape == (BATCH, HEADS, QUERIES, KEYS)
    torch.testing.assert_close(weights.sum(-1), torch.ones(BATCH, HEADS, QUERIES))


def widths(name: str, width: int) -> dict[str, Any]:
    return {name: width}


@pytest.mark.parametrize("name", ["d_k", "d_v"])
def test_widths_that_the_heads_do_not_divide_are_refused(name: str) -> None:
    with pytest.raises(LayerError, match=f"{name} is the size of all heads together.*multiple of n_head 2, got 7"):
        MaskedMultiHeadAttention(WIDTH, HEADS, **widths(name, 7))
    with pytest.raises(LayerError, match="d_k is the size of all heads"):
        MaskedMultiHeadAttention(7, HEADS)
    with pytest.raises(LayerError, match=f"{name} must be at least 1, got 0"):
        MaskedMultiHeadAttention(WIDTH, HEADS, **widths(name, 0))
    with pytest.raises(LayerError, match="n_head must be at least 1, got 0"):
        MaskedMultiHeadAttention(WIDTH, 0)


def test_heads_can_have_masks_of_their_own() -> None:
    attention = MaskedMultiHeadAttention(WIDTH, HEADS)
    hidden = states(QUERIES)
    _, weights = attention(hidden, hidden, hidden, per_head(window(0), causal()), return_weights=True)
    assert weights[:, 0].equal(torch.eye(QUERIES).expand(BATCH, -1, -1))
    assert weights[:, 1].triu(1).eq(0).all()


@pytest.mark.parametrize("return_weights", [True, False])
def test_a_fully_masked_query_yields_the_projection_of_zeros_and_no_gradient(return_weights: bool) -> None:
    attention = MaskedMultiHeadAttention(WIDTH, HEADS)
    hidden = states(QUERIES).requires_grad_()
    output, _ = attention(hidden, hidden, hidden, none(), return_weights=return_weights)
    torch.testing.assert_close(output, attention.output.bias.expand_as(output))
    output.sum().backward()
    assert hidden.grad is not None
    assert hidden.grad.eq(0).all()


@pytest.mark.parametrize("tokens", [0, 1])
def test_short_inputs_are_inputs(tokens: int) -> None:
    attention = MaskedMultiHeadAttention(WIDTH, HEADS)
    hidden = states(tokens)
    assert attention(hidden, hidden, hidden, causal())[0].shape == (BATCH, tokens, WIDTH)


def test_a_query_without_keys_sees_nothing() -> None:
    attention = MaskedMultiHeadAttention(WIDTH, HEADS)
    output, _ = attention(states(QUERIES), states(0), states(0))
    torch.testing.assert_close(output, attention.output.bias.expand_as(output))


def test_dropout_is_for_training() -> None:
    attention = MaskedMultiHeadAttention(WIDTH, HEADS, dropout=0.5)
    hidden = states(QUERIES)
    trained = [attention(hidden, hidden, hidden)[0] for _ in range(2)]
    assert not trained[0].equal(trained[1])
    _, weights = attention(hidden, hidden, hidden, return_weights=True)
    assert weights.eq(0).any()
    attention.eval()
    assert attention(hidden, hidden, hidden)[0].equal(attention(hidden, hidden, hidden)[0])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.ones(1, 1, QUERIES, QUERIES), "a mask is boolean and True means attend, got torch.float32; convert it"),
        (torch.ones(1, 1, QUERIES, QUERIES).long(), "to_allowed"),
        (torch.ones(QUERIES, QUERIES).bool(), r"four dimensions.*\[2, 2, 4, 4\], got \[4, 4\]"),
        (torch.ones(BATCH, QUERIES, QUERIES).bool(), r"square\[None, None\]"),
        (torch.ones(1, 1, QUERIES, KEYS).bool(), r"got \[1, 1, 4, 6\]"),
        (torch.ones(1, 3, QUERIES, QUERIES).bool(), r"got \[1, 3, 4, 4\]"),
    ],
)
def test_a_mask_that_could_be_misread_is_refused(mask: Tensor, message: str) -> None:
    attention = MaskedMultiHeadAttention(WIDTH, HEADS)
    hidden = states(QUERIES)
    with pytest.raises(LayerError, match=message):
        attention(hidden, hidden, hidden, mask)


def test_a_mask_that_reads_columns_needs_a_layout() -> None:
    attention = MaskedMultiHeadAttention(WIDTH, HEADS)
    hidden = states(QUERIES)
    with pytest.raises(MaskError, match="'segment', which is not given"):
        attention(hidden, hidden, hidden, same("segment"))
