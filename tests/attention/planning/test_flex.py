"""Block lists for FlexAttention: the blocks that are skipped, and those that need no mask."""

import pytest
import torch

from finetune.attention.kernels.flex import BLOCK
from finetune.attention.layout import ragged_mask
from finetune.attention.masks import parse
from finetune.attention.planning.flex import flex_blocks
from finetune.attention.planning.planner import select
from tests.attention.kernels.test_flex import HEADS, LENGTHS, MASKS, stream


@pytest.mark.parametrize("text", MASKS)
def test_blocks_never_skip_an_allowed_pair_nor_promise_a_forbidden_one(text: str) -> None:
    mask, layout = parse(text), stream(LENGTHS)
    blocks = flex_blocks(mask, select(mask, layout, layout, HEADS), layout, layout)
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
