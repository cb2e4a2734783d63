"""Attention over chosen rectangles of the score matrix, so that work follows the pairs that a mask allows.

A plan cuts the queries of a ragged stream into rectangles: some queries of one head, and every key that they may
attend to. Rectangles of like size are stacked and computed by batched matrix products, as many at once as the cache
holds; the backward pass is written by hand. Every query of a head is in one rectangle at most, so that its softmax is
complete there.

The weights are kept for the backward pass, or computed again where they would take too much memory.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from finetune.attention.kernels.dropout import Dropout
from finetune.attention.kernels.schedule import Distances, Part, Schedule, Stack

__all__ = ["Distances", "Schedule", "Stack", "rectangle_attention"]


def rectangle_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    schedule: Schedule,
    *,
    bias_table: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Softmax attention over the allowed keys, computed in the schedule's rectangles, in float32 at least.

    A query that may attend to nothing yields zeros and passes on zero gradient.

    Args:
        query: [queries, heads, width].
        key: [keys, heads, width].
        value: [keys, heads, value width].
        schedule: The rectangles.
        bias_table: Added to the scaled scores by distance: [heads, distances], read by each stack's `distances`.
        scale: Factor of the scores; width ** -0.5 if not given (T5 uses 1).
        dropout: Probability with which a weight is dropped, the others scaled up; 0 outside training.

    Returns:
        [queries, heads, value width], of the query's type.
    """
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    if schedule.flex is not None and not dropout:
        return schedule.flex.attend(query, key, value, bias_table=bias_table, scale=scale, compiled=True)
    arguments = query, key, value, bias_table, schedule, scale, Dropout.draw(dropout)
    output: Tensor = _RectangleAttention.apply(*arguments)  # type: ignore[no-untyped-call]
    return output


class _RectangleAttention(torch.autograd.Function):
    """Saves queries, keys, values and perhaps weights; one level of differentiation."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias_table: Tensor | None,
        schedule: Schedule,
        scale: float,
        dropout: Dropout,
    ) -> Tensor:
        # No more memory than the inputs themselves take, so that memory is linear wherever work is.
        keep = any(ctx.needs_input_grad) and schedule.weights <= query.numel() + key.numel() + value.numel()
        kept = []
        with torch.autocast(query.device.type, enabled=False):
            work = _Work(query, key, value, bias_table, schedule, scale, dropout)
            output = _rows_to_fill(schedule, value.shape[-1], query)
            for part in schedule.parts:
                weights = work.weights(part)
                output.index_copy_(0, part.query_slots, work.output(part, weights).to(query.dtype))
                if keep:
                    kept.append(weights)
        ctx.save_for_backward(query, key, value, bias_table, *kept)
        ctx.schedule, ctx.scale, ctx.dropout = schedule, scale, dropout
        return _filled(output, schedule)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias_table, *kept = ctx.saved_tensors
        schedule: Schedule = ctx.schedule
        with torch.autocast(query.device.type, enabled=False):
            work = _Work(query, key, value, bias_table, schedule, ctx.scale, ctx.dropout)
            gradients = _Gradients(work, output_gradient, ctx.needs_input_grad[3])
            for part in schedule.parts:
                gradients.add(part, kept[part.number] if kept else work.weights(part))
        return (*gradients.result(), None, None, None)


class _Work:
    """The inputs of a call, and what is computed of them part by part."""

    def __init__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias_table: Tensor | None,
        schedule: Schedule,
        scale: float,
        dropout: Dropout,
    ) -> None:
        self.dtype = torch.float64 if query.dtype == torch.float64 else torch.float32
        self.types = query.dtype, key.dtype, value.dtype
        self.query, self.key, self.value = (_as_rows(tensor) for tensor in (query, key, value))
        self.table = None if bias_table is None else bias_table.to(self.dtype)
        self.schedule, self.scale, self.dropout = schedule, scale, dropout
        self._shared_bias: tuple[Stack, Tensor] | None = None

    def gather(self, rows: Tensor, slots: Tensor, part: Part) -> Tensor:
        """A part's [batch, slots, width] of rows [tokens * heads, width]."""
        count, heads, _, _ = part.shape
        return rows.index_select(0, slots).view(count * heads, -1, rows.shape[-1]).to(self.dtype)

    def query_of(self, part: Part) -> Tensor:
        """A part's queries times the scale, [batch, queries, width]."""
        return self.gather(self.query, part.query_rows, part).mul_(self.scale)

    def key_of(self, part: Part) -> Tensor:
        """A part's keys [batch, keys, width]."""
        return self.gather(self.key, part.key_rows, part)

    def value_of(self, part: Part) -> Tensor:
        """A part's values [batch, keys, width]."""
        return self.gather(self.value, part.key_rows, part)

    def weights(self, part: Part) -> Tensor:
        """A part's attention weights before dropout, [batch, queries, keys]."""
        scores = torch.bmm(self.query_of(part), self.key_of(part).mT)
        by_head = scores.view(part.shape)
        bias, additive = self._bias(part), part.select(part.stack.additive)
        if bias is not None:
            by_head += bias
        if additive is not None:
            by_head[..., -additive.shape[-1] :] += additive
        weights = torch.softmax(scores, -1)
        empty = part.select(part.stack.empty)
        if empty is not None:
            weights.view(part.shape).masked_fill_(empty, 0.0)
        return weights

    def output(self, part: Part, weights: Tensor) -> Tensor:
        """A part's output [slots of queries, width]."""
        factors = self.dropout.factors(weights, part.number)
        dropped = weights if factors is None else weights * factors
        return torch.bmm(dropped, self.value_of(part)).flatten(0, 1)

    def _bias(self, part: Part) -> Tensor | None:
        distances = part.stack.distances
        if self.table is None or distances is None:
            return None
        if not distances.shared:
            return distances.bias(self.table[part.heads.start : part.heads.stop], part.rectangles)
        if self._shared_bias is None or self._shared_bias[0] is not part.stack:
            self._shared_bias = part.stack, distances.bias(self.table, part.rectangles)
        return self._shared_bias[1][:, part.heads.start : part.heads.stop]


class _Gradients:
    """The gradients of a call, collected part by part."""

    def __init__(self, work: _Work, output_gradient: Tensor, of_table: bool) -> None:
        self.work = work
        self.output = _as_rows(output_gradient)
        self.query = _rows_to_fill(work.schedule, work.query.shape[-1], work.query)
        self.key = torch.zeros_like(work.key, dtype=work.dtype)
        self.value = torch.zeros_like(work.value, dtype=work.dtype)
        self.table = torch.zeros_like(work.table.T).contiguous() if of_table and work.table is not None else None

    def add(self, part: Part, weights: Tensor) -> None:
        """Add what a part contributes, given its weights before dropout."""
        work = self.work
        output = work.gather(self.output, part.query_rows, part)
        if part.padding is not None:
            output.flatten(0, 1).index_fill_(0, part.padding, 0.0)
        factors = work.dropout.factors(weights, part.number)
        dropped = weights if factors is None else weights * factors
        self.value.index_add_(0, part.key_rows, torch.bmm(dropped.mT, output).flatten(0, 1))
        weight_gradient = torch.bmm(output, work.value_of(part).mT)
        if factors is not None:
            weight_gradient *= factors
        scores = torch._softmax_backward_data(weight_gradient, weights, -1, weights.dtype)
        self._add_bias(part, scores)
        query = torch.bmm(scores, work.key_of(part)).mul_(work.scale).flatten(0, 1)
        self.query.index_copy_(0, part.query_slots, query.to(self.query.dtype))
        self.key.index_add_(0, part.key_rows, torch.bmm(scores.mT, work.query_of(part)).flatten(0, 1))

    def _add_bias(self, part: Part, scores: Tensor) -> None:
        if self.table is not None and part.stack.distances is not None:
            table = self.table[:, part.heads.start : part.heads.stop]
            part.stack.distances.add_gradient(table, scores.view(part.shape), part.rectangles)

    def result(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The gradients of query, key, value and bias table."""
        work, schedule = self.work, self.work.schedule
        key, value = (
            rows.view(schedule.num_keys, schedule.num_heads, rows.shape[-1]).to(dtype)
            for rows, dtype in zip((self.key, self.value), work.types[1:], strict=True)
        )
        table = None if self.table is None else self.table.T
        return _filled(self.query, schedule), key, value, table


def _as_rows(tokens: Tensor) -> Tensor:
    """[tokens * heads, width] of [tokens, heads, width]."""
    return tokens.reshape(-1, tokens.shape[-1])


def _rows_to_fill(schedule: Schedule, width: int, like: Tensor) -> Tensor:
    """Zeros for each query of each head, and one more row where padding goes."""
    return like.new_zeros(schedule.num_queries * schedule.num_heads + 1, width)


def _filled(rows: Tensor, schedule: Schedule) -> Tensor:
    return rows[:-1].view(schedule.num_queries, schedule.num_heads, rows.shape[-1])
