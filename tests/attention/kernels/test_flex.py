"""FlexAttention's forward pass, without compilation: all that torch can do on every CPU."""

import warnings

import pytest
import torch

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.flex import BLOCK
from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import parse
from finetune.attention.planning.choice import choose
from finetune.attention.planning.flex import flex_blocks

HEADS, WIDTH = 2, 16
LENGTHS = [3, 430, 0, 130, 70]
MASKS = [
    "full()",
    "causal()",
    "window(20) | global_tokens(0)",
    "same(word)",
    "per_head(window(3), prefix(n))",
    "~full()",
    "window(2) & ~window(1) & prefix(n)",
]


def stream(lengths: list[int]) -> Ragged:
    word = torch.arange(sum(lengths)) // 7
    return Ragged.from_lengths(lengths, {"word": word}, {"n": torch.tensor(lengths) // 2})


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("text", MASKS)
def test_the_forward_pass_is_the_reference(text: str, biased: bool) -> None:
    mask, queries = parse(text), stream(LENGTHS)
    keys = queries if biased else stream([10, 200, 4, 130, 1])
    choices = choose(mask, queries, keys, HEADS)
    blocks = flex_blocks(mask, [each.view for each in choices], [each.group.heads for each in choices], queries, keys)
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(side.total, HEADS, WIDTH, generator=generator) for side in (queries, keys, keys))
    table = torch.randn(HEADS, 2 * max(LENGTHS) - 1, generator=generator) if biased else None
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        found = blocks.attend(query, key, value, bias_table=table, scale=0.25, compiled=False)
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


@pytest.mark.parametrize("text", MASKS)
def test_blocks_never_skip_an_allowed_pair_nor_promise_a_forbidden_one(text: str) -> None:
    mask, layout = parse(text), stream(LENGTHS)
    choices = choose(mask, layout, layout, HEADS)
    views, heads = [each.view for each in choices], [each.group.heads for each in choices]
    blocks = flex_blocks(mask, views, heads, layout, layout)
    allowed = ragged_mask(mask, layout, num_heads=HEADS)
    size = -(-layout.total // BLOCK) * BLOCK
    square = torch.zeros(len(allowed), size, size, dtype=torch.bool)
    square[:, : layout.total, : layout.total] = allowed
    number = size // BLOCK
    by_block = square.view(-1, number, BLOCK, number, BLOCK).transpose(2, 3).flatten(3)
    assert not (by_block.any(-1) & ~blocks.partial & ~blocks.full).any()
    assert not (blocks.full & ~by_block.all(-1)).any()
    assert not (blocks.full & blocks.partial).any()
    if text == "causal()":
        assert blocks.full.any(), "a block below the diagonal, within one example"
    assert (~blocks.full & ~blocks.partial).any(), "nothing is skipped"
