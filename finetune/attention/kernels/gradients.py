"""The backward pass of `tiled_attention`.

It is written by hand, so that it works on the attention weights of one group of chunks at a time, which stay in the
cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from finetune.attention.kernels.dropout import factors
from finetune.attention.kernels.plan import ChunkGroup
from finetune.attention.kernels.slots import accumulate, empty_total, gather, split_slots, take, to_tokens
from finetune.attention.kernels.weights import TiledCall, attention_weights, weight_survivors


def attention_gradients(
    call: TiledCall, output_gradient: Tensor, kept: Sequence[Tensor | None], of_table: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Compute the gradients of query, key, value and bias table.

    Args:
        call: The inputs of the call.
        output_gradient: Gradient of the output, [queries, heads, value head_dim].
        kept: Attention weights and survivors of dropout of each group, one after the other; empty where they were not
            kept and must be computed again.
        of_table: Whether the gradient of the bias table is needed.

    Returns:
        The gradients [queries, heads, head_dim], [keys, heads, head_dim], [keys, heads, value head_dim] and
        [heads, distances]; the last is None where it is not needed.
    """
    plan = call.plan
    outputs = gather(output_gradient, plan.queries, call.narrow)  # [slots, value head_dim]
    outputs.index_fill_(0, plan.queries.padding, 0.0)
    sides = (call.query, plan.queries), (call.key, plan.keys), (call.value, plan.keys)
    totals = [
        # Where each row is written once, a narrow product is rounded once either way; sums are kept exact.
        empty_total(indices, rows.shape[1], call.dtype if indices.slots is None else call.narrow, rows.device)
        for rows, indices in sides
    ]
    table = None
    if of_table and call.bias_table is not None:
        table = call.bias_table.new_zeros(call.bias_table.T.shape)  # [distances, heads]
    for group in plan.groups:
        if kept:
            weights, survived = kept[2 * group.number : 2 * group.number + 2]
        else:
            weights, survived = attention_weights(call, group), weight_survivors(call, group)
        assert weights is not None
        _add_gradients(call, group, outputs, weights, survived, totals, table)
    query, key, value = (
        to_tokens(total, indices, plan.num_heads, output_gradient.dtype)
        for total, (_, indices) in zip(totals, sides, strict=True)
    )
    return query, key, value, None if table is None else table.T


def _add_gradients(
    call: TiledCall,
    group: ChunkGroup,
    outputs: Tensor,
    weights: Tensor,
    survived: Tensor | None,
    totals: Sequence[Tensor],
    table: Tensor | None,
) -> None:
    """Add the contribution of a group of chunks to the gradients.

    Args:
        call: The inputs of the call.
        group: The chunks.
        outputs: Gradient of the output, gathered by slots, [slots, value head_dim].
        weights: Attention weights of the group before dropout, [weights].
        survived: Survivors of dropout, uint8 [weights]; None without dropout.
        totals: The gradients of query, key and value so far, to which is added in place.
        table: The gradient of the bias table so far, [distances, heads]; None where it is not needed.
    """
    query_total, key_total, value_total = totals
    kept = None if survived is None else factors(survived, call.dropout, call.dtype)
    wide = take(outputs, group.queries, call.dtype)  # each [tiles * heads, queries, value head_dim]
    narrow = wide if call.narrow == call.dtype else take(outputs, group.queries, call.narrow)
    dropped = (weights if kept is None else weights * kept).to(call.narrow)
    accumulate(value_total, group.keys, _transposed(split_slots(dropped, group.weight_shapes)), narrow)
    scores = _score_gradients(call, group, wide, weights, kept)
    if table is not None:
        _add_to_table(table, group, scores)
    pieces = split_slots(scores.to(call.narrow), group.weight_shapes)  # each [tiles * heads, queries, keys]
    accumulate(query_total, group.queries, pieces, take(call.key, group.keys, call.narrow), call.scale)
    queries = take(call.query, group.queries, call.narrow)
    accumulate(key_total, group.keys, _transposed(pieces), queries, call.scale)


def _score_gradients(
    call: TiledCall, group: ChunkGroup, outputs: Sequence[Tensor], weights: Tensor, kept: Tensor | None
) -> Tensor:
    """Return the gradient of the scores, [weights], from that of the output of each chunk."""
    of_weights, scores = torch.empty_like(weights), torch.empty_like(weights)
    values = take(call.value, group.keys, call.dtype)
    for output, value, gradient in zip(outputs, values, split_slots(of_weights, group.weight_shapes), strict=True):
        # [tiles * heads, queries, keys] = [tiles * heads, queries, head_dim] @ [tiles * heads, head_dim, keys]
        torch.bmm(output, value.mT, out=gradient)
    if kept is not None:
        of_weights *= kept
    pieces = (split_slots(numbers, group.weight_shapes) for numbers in (of_weights, weights, scores))
    for gradient, weight, score in zip(*pieces, strict=True):
        torch.ops.aten._softmax_backward_data.out(gradient, weight, -1, weight.dtype, grad_input=score)
    return scores


def _add_to_table(table: Tensor, group: ChunkGroup, scores: Tensor) -> None:
    """Add the gradient of the scores, [weights], to that of the bias table, [distances, heads]."""
    for chunk, piece in zip(group.chunks, split_slots(scores, group.weight_shapes), strict=True):
        if chunk.bias_index is None:
            continue
        gradient = piece.view(chunk.shape)
        if chunk.shares_bias:
            gradient = gradient.sum(0, keepdim=True)  # [1, heads, queries, keys]
        by_pair = gradient.permute(0, 2, 3, 1).reshape(-1, len(chunk.heads))  # [tiles * queries * keys, heads]
        # index_add_ of an int32 index takes twice as long on a CPU.
        index = chunk.bias_index.flatten().long()
        table[:, chunk.heads.start : chunk.heads.stop].index_add_(0, index, by_pair)


def _transposed(pieces: Sequence[Tensor]) -> list[Tensor]:
    return [piece.mT for piece in pieces]
