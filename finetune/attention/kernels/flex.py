"""FlexAttention (Dong et al., arXiv 2412.05496) over a ragged stream, with the block lists of an attention plan.

It was never run on a GPU. Its forward pass is tested on a CPU without compilation; torch has no backward pass for it
there. So no plan uses it unless the user chooses it.
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
"""Number of tokens of a block: the smallest for which the kernels of FlexAttention are fast."""

PairFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""A function of scalar tensors (h, q, k), about head h of query q of the stream and key k of the stream."""


@dataclass(frozen=True, eq=False)
class FlexBlocks:
    """The blocks of a stream's score matrix that are computed.

    Args:
        partial: bool [heads or 1, blocks of queries, blocks of keys], the blocks in which the mask of each pair is
            evaluated.
        full: bool [heads or 1, blocks of queries, blocks of keys], the blocks in which every pair is allowed.
        allowed: The mask of the pairs in partial blocks; False between examples.
        query_positions: int64 [queries], positions of the queries in their example, from which the relative bias of a
            pair is found.
        key_positions: int64 [keys], positions of the keys in their example.
        zero: Index in a relative bias table of the entry for distance 0.
        scores: The sum of the mask's score terms for a pair; None without terms.
    """

    partial: Tensor
    full: Tensor
    allowed: PairFunction
    query_positions: Tensor
    key_positions: Tensor
    zero: int
    scores: PairFunction | None = None


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
    """Compute softmax attention over the allowed keys of a ragged stream by FlexAttention.

    Args:
        query: [queries, heads, head_dim].
        key: [keys, heads, head_dim].
        value: [keys, heads, head_dim].
        blocks: The blocks of the stream's score matrix that are computed.
        bias_table: Relative bias that is added to the scaled scores, [heads, distances]; None for no bias.
        scale: Factor of the scores.
        compiled: Whether to compile FlexAttention, which a GPU needs; without it all scores are held in memory.

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
    """Return the block lists in the form that FlexAttention takes."""
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
    """Return the function that adds a relative bias [heads, distances] and score terms; None without either."""
    if table is None and blocks.scores is None:
        return None

    def add(score: Tensor, batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        if table is not None:
            distance = blocks.key_positions[k] - blocks.query_positions[q] + blocks.zero
            # FlexAttention also computes pairs of padding and of different examples, whose distances a table may lack.
            score = score + table[head, distance.clamp(0, table.shape[1] - 1)]
        if blocks.scores is not None:
            score = score + blocks.scores(head, q, k).to(score.dtype)
        return score

    return add


def _listed(chosen: Tensor) -> tuple[Tensor, Tensor]:
    """Return the number of chosen blocks in each row, and their columns.

    Args:
        chosen: bool [heads, rows, columns].

    Returns:
        The number, int32 [1, heads, rows], and int32 [1, heads, rows, columns], all columns of a row with the chosen
        ones first.
    """
    # A stable sort by "is chosen" keeps the order of the columns.
    columns = chosen.to(torch.int8).argsort(dim=-1, descending=True, stable=True)
    return chosen.sum(-1, dtype=torch.int32)[None], columns.to(torch.int32)[None]


@cache
def _compiled() -> Callable[..., Any]:
    compiled: Callable[..., Any] = torch.compile(flex_attention, dynamic=True)
    return compiled
