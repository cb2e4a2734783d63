"""Layers under any mask equal dense attention in float64, computed in the plainest code."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from finetune.attention.layers import Decoder, Encoder, LayerConfig, MaskedMultiHeadAttention
from finetune.attention.layout import Padded, dense_scores, padded_mask
from finetune.attention.masks import Mask, causal, parse
from tests.attention.expressions import NUM_HEADS, masks
from tests.attention.score_terms import scored_texts

WIDTH = 8
properties = settings(deadline=None, max_examples=100)
lengths = st.lists(st.integers(0, 6), min_size=1, max_size=3)
sides = st.sampled_from(["left", "right"])


def rows(lengths: list[int], side: str, seed: int) -> Padded:
    """Return examples of these lengths with every column and value that the masks read."""
    width = max(lengths)
    columns = torch.arange(width)
    count = torch.tensor(lengths)[:, None]
    valid = columns >= width - count if side == "left" else columns < count
    generator = torch.Generator().manual_seed(seed)
    word, marks = (torch.randint(3, valid.shape, generator=generator) for _ in range(2))
    values = {"source_length": torch.randint(5, (len(lengths),), generator=generator)}
    return Padded.from_attention_mask(valid, {"word": word, "is_cls": (marks == 0).long()}, values)


def written_out(
    attention: MaskedMultiHeadAttention, query: Tensor, key: Tensor, allowed: Tensor, bias: Tensor | None
) -> Tensor:
    """Compute attention head by head and query by query."""
    projected = (attention.query(query), attention.key(key), attention.value(key))
    heads = [each.chunk(NUM_HEADS, dim=-1) for each in projected]
    outputs = []
    for h, (q, k, v) in enumerate(zip(*heads, strict=True)):
        scores = q @ k.mT / math.sqrt(WIDTH / NUM_HEADS) + (0 if bias is None else bias[0, h])
        exponentials = scores.exp() * allowed.expand(-1, NUM_HEADS, -1, -1)[:, h]
        total = exponentials.sum(-1, keepdim=True)
        outputs.append(exponentials / total.where(total > 0, 1) @ v)
    output: Tensor = attention.output(torch.cat(outputs, dim=-1))
    return output


@properties
@given(mask=masks, queries=lengths, side=sides, cross=st.booleans(), with_bias=st.booleans(), seed=st.integers(0, 99))
def test_attention_under_any_mask(
    mask: Mask, queries: list[int], side: str, cross: bool, with_bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    attention = MaskedMultiHeadAttention(WIDTH, NUM_HEADS).double()
    asking = rows(queries, side, seed)
    asked = rows([(length + seed) % 6 for length in queries], "right", seed + 1) if cross else asking
    allowed = padded_mask(mask, asking, asked if cross else None, num_heads=NUM_HEADS)
    query = torch.randn(len(queries), asking.padded_length, WIDTH, dtype=torch.float64, requires_grad=True)
    key = (
        torch.randn(len(queries), asked.padded_length, WIDTH, dtype=torch.float64, requires_grad=True)
        if cross
        else query
    )
    bias = torch.randn(1, NUM_HEADS, asking.padded_length, asked.padded_length, dtype=torch.float64, requires_grad=True)
    given_bias = bias if with_bias else None
    leaves = [query, key, bias, *attention.parameters()]
    expected = written_out(attention, query, key, allowed, given_bias)
    slopes = torch.autograd.grad(expected.square().sum(), leaves, allow_unused=True, materialize_grads=True)
    for return_weights in (True, False):
        found, _ = attention(query, key, key, allowed, position_bias=given_bias, return_weights=return_weights)
        torch.testing.assert_close(found, expected)
        found_slopes = torch.autograd.grad(found.square().sum(), leaves, allow_unused=True, materialize_grads=True)
        torch.testing.assert_close(found_slopes, slopes)


@properties
@given(mask=masks | scored_texts(in_cross=False).map(parse), tokens=lengths, side=sides, seed=st.integers(0, 99))
def test_padded_is_one_example_at_a_time(mask: Mask, tokens: list[int], side: str, seed: int) -> None:
    torch.manual_seed(seed)
    encoder = Encoder(LayerConfig(WIDTH, NUM_HEADS, 8, dropout=0.0), 2).double()
    layout = rows(tokens, side, seed)
    hidden = torch.randn(len(tokens), layout.padded_length, WIDTH, dtype=torch.float64)
    together = encoder(hidden, mask, layout=layout)
    assert together.isfinite().all()
    for row, valid in enumerate(layout.valid):
        columns = {name: column[row : row + 1, valid] for name, column in layout.columns.items()}
        values = {name: value[row : row + 1] for name, value in layout.values.items()}
        alone = Padded.from_attention_mask(valid[valid][None], columns, values)
        expected = encoder(hidden[row : row + 1, valid], mask, layout=alone)
        torch.testing.assert_close(together[row : row + 1, valid], expected)


def test_score_terms_of_a_mask_are_added_to_the_position_bias() -> None:
    torch.manual_seed(0)
    attention = MaskedMultiHeadAttention(WIDTH, NUM_HEADS).double()
    tokens, others = (torch.randn(2, length, WIDTH, dtype=torch.float64) for length in (5, 3))
    for mask, key in ((causal() + parse("alibi()"), tokens), (parse("window(1) + score(late_keys)"), others)):
        bias = torch.randn(1, NUM_HEADS, 5, key.shape[1], dtype=torch.float64)
        key_length = None if key is tokens else key.shape[1]
        scores = dense_scores(mask, 5, key_length, NUM_HEADS)
        assert scores.any()
        expected = written_out(attention, tokens, key, mask.dense(5, key_length, NUM_HEADS)[None], bias + scores)
        for return_weights in (True, False):
            found, _ = attention(tokens, key, key, mask, position_bias=bias, return_weights=return_weights)
            torch.testing.assert_close(found, expected)


@properties
@given(mask=scored_texts(in_cross=True).map(parse), tokens=lengths, side=sides, seed=st.integers(0, 99))
def test_cross_attention_in_rows_is_one_example_at_a_time(mask: Mask, tokens: list[int], side: str, seed: int) -> None:
    torch.manual_seed(seed)
    decoder = Decoder(LayerConfig(WIDTH, NUM_HEADS, 8, dropout=0.0), 1).double()
    target, source = rows(tokens, side, seed), rows(tokens[::-1], side, seed + 1)
    hidden, memory = (torch.randn(len(tokens), target.padded_length, WIDTH, dtype=torch.float64) for _ in range(2))
    masks = causal() + parse("alibi()"), mask
    together = decoder(hidden, memory, *masks, layout=target, memory_layout=source)
    for row, (valid, read) in enumerate(zip(target.valid, source.valid, strict=True)):
        own, other = (
            Padded.from_attention_mask(
                chosen[chosen][None],
                {name: column[row : row + 1, chosen] for name, column in layout.columns.items()},
                {name: value[row : row + 1] for name, value in layout.values.items()},
            )
            for layout, chosen in ((target, valid), (source, read))
        )
        expected = decoder(
            hidden[row : row + 1, valid], memory[row : row + 1, read], *masks, layout=own, memory_layout=other
        )
        torch.testing.assert_close(together[row : row + 1, valid], expected)
