"""The attention weights of a plan's chunks, as both passes of `tiled_attention` compute them."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from finetune.attention.kernels.dropout import survivors
from finetune.attention.kernels.plan import AttentionPlan, Chunk, ChunkGroup
from finetune.attention.kernels.scores import at_least_float32
from finetune.attention.kernels.slots import split_slots, take


@dataclass(frozen=True, eq=False)
class TiledCall:
    """The inputs of one call of `tiled_attention`.

    Args:
        plan: The attention plan.
        query: The queries as `gather` returns them: [slots, head_dim].
        key: The keys as `gather` returns them: [slots, head_dim], or [tokens * heads, head_dim] where a row may be in
            several slots.
        value: The values as `gather` returns them, with the shape of `key` but for their own head_dim.
        bias_table: Relative bias [heads, distances] of the type `dtype`, or None.
        scale: Factor of the scores.
        dropout: Probability with which an attention weight is dropped.
        seed: Seed of the random numbers of dropout.
        narrow: Type of the matrix products whose results are gradients and are not used further.
        last_bias: The bias that the chunks of the last batch share, [1, heads, queries, keys], by the id of its index.
    """

    plan: AttentionPlan
    query: Tensor
    key: Tensor
    value: Tensor
    bias_table: Tensor | None
    scale: float
    dropout: float
    seed: int
    narrow: torch.dtype
    last_bias: dict[int, Tensor] = field(default_factory=dict)

    @property
    def dtype(self) -> torch.dtype:
        """The type in which scores and weights are computed."""
        return at_least_float32(self.query.dtype)


def widened(bias_table: Tensor | None, dtype: torch.dtype) -> Tensor | None:
    """Return a bias table in the type in which the scores of queries of type `dtype` are computed."""
    return None if bias_table is None else bias_table.to(at_least_float32(dtype))


def attention_weights(call: TiledCall, group: ChunkGroup) -> Tensor:
    """Compute the attention weights of a group of chunks before dropout, [weights]."""
    scores, weights = (call.query.new_empty(group.num_weights, dtype=call.dtype) for _ in range(2))
    queries, keys = take(call.query, group.queries, call.dtype), take(call.key, group.keys, call.dtype)
    pieces = (split_slots(numbers, group.weight_shapes) for numbers in (scores, weights))
    for chunk, query, key, score, weight in zip(group.chunks, queries, keys, *pieces, strict=True):
        # [tiles * heads, queries, keys] = [tiles * heads, queries, head_dim] @ [tiles * heads, head_dim, keys]
        torch.baddbmm(score, query, key.mT, beta=0, alpha=call.scale, out=score)
        _complete(call, chunk, score.view(chunk.shape))
        torch.softmax(score, -1, out=weight)
        if chunk.empty is not None:
            weight.view(chunk.shape).masked_fill_(chunk.empty, 0.0)
    return weights


def weight_survivors(call: TiledCall, group: ChunkGroup) -> Tensor | None:
    """Return which attention weights of a group are not dropped, uint8 [weights]; None without dropout.

    Every call returns the same for the same seed, so that the backward pass need not keep it.
    """
    if not call.dropout:
        return None
    return survivors(group.num_weights, call.dropout, device=call.query.device, seed=call.seed + group.number)


def _complete(call: TiledCall, chunk: Chunk, scores: Tensor) -> None:
    """Add relative bias, score terms and mask to scores [tiles, heads, queries, keys], in place."""
    if call.bias_table is not None and chunk.bias_index is not None:
        scores.add_(_bias(call, call.bias_table, chunk, chunk.bias_index))
    for term in chunk.scores:
        term.add_to(scores)
    if chunk.additive is not None:
        masked = chunk.additive.shape[-1]  # only the last keys of a tile are masked
        scores[..., scores.shape[-1] - masked :].add_(chunk.additive)


def _bias(call: TiledCall, table: Tensor, chunk: Chunk, index: Tensor) -> Tensor:
    """Return the bias of a chunk, [tiles or 1, heads, queries, keys].

    Args:
        call: The inputs of the call.
        table: Relative bias [heads, distances].
        chunk: The chunk.
        index: Its `bias_index`, [tiles or 1, queries, keys].
    """
    heads = slice(chunk.heads.start, chunk.heads.stop)
    if not chunk.shares_bias:
        return _read_table(table[heads], index)
    # A batch of whole examples has the same bias in all tiles: it is read from the table once, for all heads.
    if id(index) not in call.last_bias:
        call.last_bias.clear()
        call.last_bias[id(index)] = _read_table(table, index)
    return call.last_bias[id(index)][:, heads]


def _read_table(table: Tensor, index: Tensor) -> Tensor:
    """Return the entries [tiles, heads, queries, keys] of a table [heads, distances] at [tiles, queries, keys]."""
    return table.index_select(1, index.flatten()).view(len(table), *index.shape).transpose(0, 1)
