"""FlexAttention over a ragged stream, from block lists that a plan found (Dong et al., arXiv 2412.05496).

Never run on a GPU yet: its forward pass was checked on CPU, without compilation; torch has no backward pass for
it there. So no plan chooses it by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

BLOCK = 128
"""Tokens of a block, the least that FlexAttention's kernels like."""

MaskMod = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Whether head h of query q of the stream may attend to key k of the stream, from scalar tensors (h, q, k)."""


@dataclass(frozen=True, eq=False)
class FlexBlocks:
    """Which blocks of a stream's square are looked at.

    Args:
        partial: bool [heads or 1, blocks of queries, blocks of keys], those in which each pair is asked about.
        full: bool, likewise, those in which every pair is allowed.
        allowed: The mask, for pairs of partial blocks; False between examples.
        query_positions: int64 [queries], for the bias.
        key_positions: int64 [keys], likewise.
        zero: The entry of a bias table that distance 0 reads.
    """

    partial: Tensor
    full: Tensor
    allowed: MaskMod
    query_positions: Tensor
    key_positions: Tensor
    zero: int


def flex_stream_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    blocks: FlexBlocks,
    *,
    bias_table: Tensor | None,
    scale: float,
    compiled: bool,
) -> Tensor:
    """Softmax attention over the allowed keys of a ragged stream, by FlexAttention.

    Args:
        query: [queries, heads, head_dim].
        key: [keys, heads, head_dim].
        value: [keys, heads, head_dim].
        blocks: Which blocks of the stream's square are looked at.
        bias_table: Added to the scaled scores by distance: [heads, distances].
        scale: Factor of the scores.
        compiled: Compile FlexAttention, as a GPU needs it; without, all scores are held in memory.

    Returns:
        [queries, heads, head_dim].
    """
    attend: Any = _compiled() if compiled else flex_attention
    streams = (tensor.transpose(0, 1)[None] for tensor in (query, key, value))  # [1, heads, tokens, head_dim]
    output: Tensor = attend(
        *streams, score_mod=_score_mod(blocks, bias_table), block_mask=_block_mask(blocks), scale=scale
    )
    return output[0].transpose(0, 1)


def _block_mask(blocks: FlexBlocks) -> BlockMask:
    """The block lists in FlexAttention's form."""
    partial_number, partial_index = _listed(blocks.partial)
    full_number, full_index = _listed(blocks.full)
    return BlockMask.from_kv_blocks(
        partial_number,
        partial_index,
        full_number,
        full_index,
        BLOCK_SIZE=BLOCK,
        mask_mod=lambda batch, head, q, k: blocks.allowed(head, q, k),
        seq_lengths=(len(blocks.query_positions), len(blocks.key_positions)),
    )


def _score_mod(blocks: FlexBlocks, table: Tensor | None) -> Callable[..., Tensor] | None:
    """Adds the relative bias to scores; None without a table [heads, distances]."""
    if table is None:
        return None
    entries = table.shape[1]

    def add_bias(score: Tensor, batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        distance = blocks.key_positions[k] - blocks.query_positions[q] + blocks.zero
        # FlexAttention also asks about pairs of padding and of different examples, whose distances may be outside.
        return score + table[head, distance.clamp(0, entries - 1)]

    return add_bias


def _listed(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Number of chosen blocks in each row, and their columns first in each row: int32 [1, heads, rows(, columns)]."""
    columns = chosen.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    return chosen.sum(-1, dtype=torch.int32)[None], columns.to(torch.int32)[None]


@cache
def _compiled() -> Callable[..., Any]:
    compiled: Callable[..., Any] = torch.compile(flex_attention, dynamic=True)
    return compiled
