"""The forward pass of FlexAttention without compilation, which is all that torch has on every CPU."""

import warnings

import pytest
import torch

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.flex import flex_stream_attention
from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import parse
from finetune.attention.planning.flex import flex_blocks
from finetune.attention.planning.planner import select

HEADS, HEAD_DIM = 2, 16
LENGTHS = [3, 430, 0, 130, 70]
MASKS = [
    "full()",
    "causal()",
    "window(20) | global_tokens(0)",
    "window(20) & ~keys(3) | queries(0, -1)",
    "same(word)",
    "near(word, 2) | before(word) & window(30)",
    "per_head(window(3), prefix(n))",
    "~full()",
    "window(2) & ~window(1) & prefix(n)",
]


def stream(lengths: list[int]) -> Ragged:
    word = torch.arange(sum(lengths)) // 7
    return Ragged.from_lengths(lengths, {"word": word}, {"n": torch.tensor(lengths) // 2})


@pytest.mark.parametrize("has_relative_bias", [False, True])
@pytest.mark.parametrize("text", MASKS)
def test_the_forward_pass_is_the_reference(text: str, has_relative_bias: bool) -> None:
    mask, queries = parse(text), stream(LENGTHS)
    keys = queries if has_relative_bias else stream([10, 200, 4, 130, 1])
    blocks = flex_blocks(mask, select(mask, queries, keys, HEADS), queries, keys)
    generator = torch.Generator().manual_seed(0)
    query, key, value = (
        torch.randn(side.total, HEADS, HEAD_DIM, generator=generator) for side in (queries, keys, keys)
    )
    table = torch.randn(HEADS, 2 * max(LENGTHS) - 1, generator=generator) if has_relative_bias else None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        found = flex_stream_attention(query, key, value, blocks, bias_table=table, scale=0.25, compiled=False)
    distances = (keys.positions - queries.positions[:, None] + max(LENGTHS) - 1).clamp(0, 2 * max(LENGTHS) - 2)
    expected, _ = dense_attention(
        query.transpose(0, 1)[None],
        key.transpose(0, 1)[None],
        value.transpose(0, 1)[None],
        ragged_mask(mask, queries, keys, num_heads=HEADS),
        bias=None if table is None else table[:, distances],
        scale=0.25,
    )
    torch.testing.assert_close(found, expected[0].transpose(0, 1))
