"""Attention over the tiles of a plan, whose work is proportional to the number of pairs that the mask allows.

Tiles of one size are computed by batched matrix products, and elementwise operations are done to as many chunks at once
as fit the cache. A query of a head is in at most one tile, which holds all its keys, so that its softmax is computed
there completely. The backward pass is written by hand. The attention weights are kept for it, or computed again where
they would take too much memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from finetune.attention.kernels.dropout import factors
from finetune.attention.kernels.gradients import attention_gradients
from finetune.attention.kernels.plan import AttentionPlan
from finetune.attention.kernels.scores import at_least_float32
from finetune.attention.kernels.slots import accumulate, empty_total, gather, split_slots, take, to_tokens
from finetune.attention.kernels.weights import TiledCall, attention_weights, weight_survivors, widened
from finetune.attention.tuning import is_cpu_tuned

__all__ = ["tiled_attention"]

LARGE_PRODUCT = 2**26
"""Number of operations of a matrix product above which oneDNN is used. It needs half a millisecond to generate a kernel
for each new shape, and every batch has shapes of its own, so for small products MKL is faster."""


def tiled_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    plan: AttentionPlan,
    *,
    bias_table: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Compute softmax attention over the allowed keys, in the tiles of a plan.

    The computation is in float32, or in float64 for queries of float64, whatever the other inputs and autocast. With
    inputs of bfloat16 or float16, the last products of the backward pass are computed in their type where that is
    faster. The output of a query that may attend to no key is 0, and so is its gradient.

    Args:
        query: [queries, heads, head_dim].
        key: [keys, heads, head_dim].
        value: [keys, heads, value head_dim].
        plan: The attention plan.
        bias_table: Relative bias that is added to the scaled scores, [heads, distances]; the plan's `bias_index` says
            which entry each pair reads. None for no bias.
        scale: Factor of the scores; head_dim ** -0.5 if not given (T5 uses 1).
        dropout: Probability with which an attention weight is dropped; the others are scaled up. 0 outside training.

    Returns:
        [queries, heads, value head_dim], of the type of the query.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if plan.flex is not None and not dropout:
        from finetune.attention.kernels.flex import flex_stream_attention  # its imports take a second

        return flex_stream_attention(query, key, value, plan.flex, bias_table=bias_table, scale=scale, compiled=True)
    # The seed comes from the CPU's generator whatever the device: reading one from a GPU would wait for it.
    seed = int(torch.randint(2**62, ())) if dropout else 0
    arguments = query, key, value, bias_table, plan, scale, dropout, seed
    output: Tensor = _TiledAttention.apply(*arguments)  # type: ignore[no-untyped-call]
    return output


class _TiledAttention(torch.autograd.Function):
    """The autograd function. It saves the gathered queries, keys and values, and perhaps the attention weights."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias_table: Tensor | None,
        plan: AttentionPlan,
        scale: float,
        dropout: float,
        seed: int,
    ) -> Tensor:
        # Weights are kept if they take no more memory than the inputs: so memory is linear in the length.
        keep = any(ctx.needs_input_grad) and plan.num_weights <= query.numel() + key.numel() + value.numel()
        kept: list[Tensor | None] = []
        with _matmul_settings(query, plan) as narrow:
            # Inputs are saved in the type in which the backward pass computes.
            dtype = narrow if keep else query.dtype
            rows = (
                gather(query, plan.queries, dtype),
                gather(key, plan.keys, dtype),
                gather(value, plan.keys, dtype),
            )
            call = TiledCall(plan, *rows, widened(bias_table, query.dtype), scale, dropout, seed, narrow)
            output = empty_total(plan.queries, value.shape[-1], call.dtype, query.device)
            for group in plan.groups:
                weights, survived = attention_weights(call, group), weight_survivors(call, group)
                dropped = weights if survived is None else factors(survived, dropout, call.dtype).mul_(weights)
                values = take(call.value, group.keys, call.dtype)
                accumulate(output, group.queries, split_slots(dropped, group.weight_shapes), values)
                if keep:
                    kept += weights, survived
            result = to_tokens(output, plan.queries, plan.num_heads, query.dtype)
        ctx.save_for_backward(*rows, bias_table, *kept)
        ctx.options = plan, scale, dropout, seed
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias_table, *kept = ctx.saved_tensors
        plan, scale, dropout, seed = ctx.options
        with _matmul_settings(output_gradient, plan) as narrow:
            table = widened(bias_table, query.dtype)
            call = TiledCall(plan, query, key, value, table, scale, dropout, seed, narrow)
            gradients = attention_gradients(call, output_gradient, kept, ctx.needs_input_grad[3])
        return (*gradients, None, None, None, None)


@contextmanager
def _matmul_settings(query: Tensor, plan: AttentionPlan) -> Iterator[torch.dtype]:
    """Turn autocast off inside a `with` block, and on a tuned CPU use MKL where all matrix products are small.

    Args:
        query: The queries, or a tensor of their type and device.
        plan: The attention plan.

    Yields:
        The type for the last products of the backward pass: that of the queries, but at least float32 where MKL is
        used. In bfloat16 these products round their factors, as those of torch's own attention do; the error is no
        larger.
    """
    largest = 2 * query.shape[-1] * plan.largest_chunk
    is_tuned = query.device.type == "cpu" and is_cpu_tuned()
    has_mkl = is_tuned and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    with torch.autocast(query.device.type, enabled=False):
        if not has_mkl or largest >= LARGE_PRODUCT:
            yield query.dtype
            return
        matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
        before = matmul.fp32_precision
        matmul.fp32_precision = "ieee"  # makes torch call MKL, which generates no kernel for each shape
        try:
            yield at_least_float32(query.dtype)
        finally:
            matmul.fp32_precision = before
