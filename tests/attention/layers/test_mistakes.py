"""Common mistakes in masked attention: each gives another result than this package."""

import math

import pytest
import torch
from torch import Tensor

from finetune.attention.kernels import dense_attention
from finetune.attention.layers import (
    DecoderLayer,
    LayerConfig,
    LayerError,
    MaskedMultiHeadAttention,
    to_allowed,
)
from finetune.attention.masks import causal, full, none

TOKENS, WIDTH, HEADS = 5, 8, 2


@pytest.fixture
def attention() -> MaskedMultiHeadAttention:
    torch.manual_seed(0)
    return MaskedMultiHeadAttention(WIDTH, HEADS)


@pytest.fixture
def hidden() -> Tensor:
    return torch.randn(1, TOKENS, WIDTH, generator=torch.Generator().manual_seed(1))


IGNORE_2 = torch.tensor([True, True, False, True, True])[None, None, None]


def test_the_worked_example() -> None:
    """Inputs 0 to 4 as queries, keys and values, d_model 4, position 2 ignored; the example of the package's README."""
    width = 4
    inputs = torch.zeros(1, 1, TOKENS, width)  # [batch, heads, tokens, width]
    inputs[..., 0] = torch.arange(TOKENS)  # the number i is the vector (i, 0, 0, 0)
    output, weights = dense_attention(inputs, inputs, inputs, IGNORE_2)
    scores = torch.tensor([0.0, 2.0, -math.inf, 6.0, 8.0])  # 4 * k / sqrt(4)
    torch.testing.assert_close(weights[0, 0, 4], scores.softmax(0))
    expected = torch.tensor([0.000295, 0.002178, 0.0, 0.118908, 0.878619])
    torch.testing.assert_close(weights[0, 0, 4], expected, atol=5e-7, rtol=0)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, 1, TOKENS))
    assert weights[..., 2].eq(0).all()
    torch.testing.assert_close(output[0, 0, 4, 0], expected @ torch.arange(TOKENS).float(), atol=1e-4, rtol=0)


def parts(attention: MaskedMultiHeadAttention, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value by head, [batch, heads, tokens, head_dim], in the plainest code."""
    projected = (attention.query(hidden), attention.key(hidden), attention.value(hidden))
    query, key, value = (torch.stack(each.chunk(HEADS, dim=-1), dim=1) for each in projected)
    return query, key, value


def joined(attention: MaskedMultiHeadAttention, heads: Tensor) -> Tensor:
    output: Tensor = attention.output(torch.cat(heads.unbind(1), dim=-1))
    return output


def test_written_out_step_by_step(attention: MaskedMultiHeadAttention, hidden: Tensor) -> None:
    query, key, value = parts(attention, hidden)
    scores = query @ key.mT / math.sqrt(WIDTH / HEADS)
    weights = scores.masked_fill(~IGNORE_2, -math.inf).softmax(-1)
    output, given = attention(hidden, hidden, hidden, IGNORE_2, return_weights=True)
    torch.testing.assert_close(given, weights)
    torch.testing.assert_close(output, joined(attention, weights @ value))


def test_masking_after_the_softmax(attention: MaskedMultiHeadAttention, hidden: Tensor) -> None:
    query, key, _ = parts(attention, hidden)
    wrong = (query @ key.mT / math.sqrt(WIDTH / HEADS)).softmax(-1) * IGNORE_2
    _, weights = attention(hidden, hidden, hidden, IGNORE_2, return_weights=True)
    torch.testing.assert_close(weights.sum(-1), torch.ones(1, HEADS, TOKENS))
    assert (wrong.sum(-1) < 0.99).all()
    assert not torch.allclose(wrong, weights, atol=1e-2)


@pytest.mark.parametrize("number", [IGNORE_2.float(), -(~IGNORE_2).float()])
def test_adding_0_and_1_to_the_scores(attention: MaskedMultiHeadAttention, hidden: Tensor, number: Tensor) -> None:
    query, key, _ = parts(attention, hidden)
    wrong = (query @ key.mT / math.sqrt(WIDTH / HEADS) + number).softmax(-1)
    _, weights = attention(hidden, hidden, hidden, IGNORE_2, return_weights=True)
    assert weights[..., 2].eq(0).all()
    assert (wrong[..., 2] > 0.01).all()
    with pytest.raises(LayerError, match="boolean"):
        attention(hidden, hidden, hidden, number)


def test_splitting_heads_along_the_wrong_axis(attention: MaskedMultiHeadAttention, hidden: Tensor) -> None:
    def split(projected: Tensor) -> Tensor:
        return projected.reshape(1, HEADS, TOKENS, WIDTH // HEADS)

    # A row is no longer one token: the third row of the first head is made of the second token.
    changed = hidden.clone()
    changed[:, 1] += 1
    assert not split(attention.query(changed))[:, 0, 2].isclose(split(attention.query(hidden))[:, 0, 2]).any()
    assert parts(attention, changed)[0][:, :, 2].equal(parts(attention, hidden)[0][:, :, 2])
    wrong = (split(attention.query(hidden)) @ split(attention.key(hidden)).mT / math.sqrt(WIDTH / HEADS)).softmax(-1)
    _, weights = attention(hidden, hidden, hidden, return_weights=True)
    assert not torch.allclose(wrong, weights, atol=1e-2)


@pytest.mark.parametrize("width", [WIDTH, 4 * WIDTH])
def test_scaling_by_the_wrong_width(hidden: Tensor, width: int) -> None:
    """Scores are divided by the root of d_model, or of d_k, in place of that of head_dim."""
    torch.manual_seed(0)
    attention = MaskedMultiHeadAttention(WIDTH, HEADS, d_k=4 * WIDTH)
    query, key, _ = parts(attention, hidden)
    wrong = (query @ key.mT / math.sqrt(width)).masked_fill(~IGNORE_2, -math.inf).softmax(-1)
    right = (query @ key.mT / math.sqrt(4 * WIDTH / HEADS)).masked_fill(~IGNORE_2, -math.inf).softmax(-1)
    _, weights = attention(hidden, hidden, hidden, IGNORE_2, return_weights=True)
    torch.testing.assert_close(weights, right)
    assert not torch.allclose(wrong, weights, atol=1e-2)


def test_a_fully_masked_row(attention: MaskedMultiHeadAttention, hidden: Tensor) -> None:
    query, key, _ = parts(attention, hidden)
    nothing = torch.zeros(1, 1, TOKENS, TOKENS, dtype=torch.bool)
    scores = query @ key.mT
    assert scores.masked_fill(~nothing, -math.inf).softmax(-1).isnan().all()
    lowest = scores.masked_fill(~nothing, torch.finfo(scores.dtype).min).softmax(-1)
    assert lowest.gt(0).all()  # the usual remedy attends to everything that it should not
    output, weights = attention(hidden, hidden, hidden, none(), return_weights=True)
    assert weights.eq(0).all()
    assert output.isfinite().all()


def test_a_decoder_that_sees_the_future(hidden: Tensor) -> None:
    torch.manual_seed(0)
    layer = DecoderLayer(LayerConfig(WIDTH, HEADS, WIDTH, dropout=0.0))
    changed = hidden.clone()
    changed[:, -1] += 1
    seen = {
        mask: layer(changed, hidden, mask)[:, :-1] - layer(hidden, hidden, mask)[:, :-1] for mask in (full(), causal())
    }
    assert seen[full()].abs().max() > 1e-2
    assert seen[causal()].eq(0).all()


def test_0_keep_and_1_ignore_read_the_other_way_round(attention: MaskedMultiHeadAttention, hidden: Tensor) -> None:
    ignore = torch.tensor([0, 0, 1, 0, 0])[None, None, None]
    _, wrong = attention(hidden, hidden, hidden, ignore.bool(), return_weights=True)
    assert wrong[..., 2].eq(1).all()  # only the key to be ignored is attended to
    _, weights = attention(hidden, hidden, hidden, to_allowed(ignore, "1 = ignore"), return_weights=True)
    assert weights[..., 2].eq(0).all()
    with pytest.raises(LayerError, match=r"to_allowed\(mask, convention\)"):
        attention(hidden, hidden, hidden, ignore)
