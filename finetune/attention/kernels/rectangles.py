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
from finetune.attention.kernels.schedule import Distances, Part, Place, Schedule, Side, Stack

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
    """Softmax attention over the allowed keys, computed in the schedule's rectangles.

    It is computed in float32, or float64 for such queries, whatever the inputs and autocast; of narrower inputs, the
    last products of the backward pass are computed in their type. A query that may attend to nothing yields zeros and
    passes on zero gradient.

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
            output = _Sum(schedule.queries, value.shape[-1], work.dtype, query.device)
            for part in schedule.parts:
                weights = work.weights(part)
                output.add(part.queries, work.dropped(part, weights), work.value.of(part.keys, part).to(work.dtype))
                if keep:
                    kept.append(weights)
            result = output.result(schedule.num_heads).to(query.dtype)
        ctx.save_for_backward(query, key, value, bias_table, *kept)
        ctx.schedule, ctx.scale, ctx.dropout = schedule, scale, dropout
        return result

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


class _Tokens:
    """Queries, keys or values, of which parts take their share."""

    def __init__(self, tokens: Tensor, side: Side) -> None:
        self.rows = tokens.reshape(-1, tokens.shape[-1])  # [tokens * heads, width]
        # Taken at once where no row is taken twice.
        self.slots = self.rows.index_select(0, side.rows) if side.once else None

    def of(self, place: Place, part: Part) -> Tensor:
        """A part's [batch, slots, width]."""
        count, heads, _, _ = part.shape
        taken = self.rows.index_select(0, place.rows) if self.slots is None else self.slots[place.slots]
        return taken.view(count * heads, -1, taken.shape[-1])


class _Sum:
    """What parts contribute to each token: its output, or its gradient."""

    def __init__(self, side: Side, width: int, dtype: torch.dtype, device: torch.device) -> None:
        self.side, self.width = side, width
        count = side.count + 1 if side.once else side.total
        self.numbers = torch.empty(count, width, dtype=dtype, device=device)
        self.numbers[-1 if side.once else slice(None)] = 0

    def add(self, place: Place, left: Tensor, right: Tensor) -> None:
        """Add the matrix products [batch, slots, width] of a part, computed in the type of `right`."""
        left, exact = left.to(right.dtype), right.dtype == self.numbers.dtype
        if self.side.once and exact:
            torch.bmm(left, right, out=self.numbers[place.slots].view(len(left), -1, self.width))
        elif self.side.once:
            self.numbers[place.slots] = torch.bmm(left, right).flatten(0, 1)
        else:
            self.numbers.index_add_(0, place.rows, torch.bmm(left, right).flatten(0, 1).to(self.numbers.dtype))

    def result(self, num_heads: int) -> Tensor:
        """[tokens, heads, width]."""
        rows = self.numbers.index_select(0, self.side.slots) if self.side.once else self.numbers
        return rows.view(-1, num_heads, self.width)


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
        self.query = _Tokens(query, schedule.queries)
        self.key = _Tokens(key, schedule.keys)
        self.value = _Tokens(value, schedule.keys)
        self.table = None if bias_table is None else bias_table.to(self.dtype)
        self.schedule, self.scale, self.dropout = schedule, scale, dropout
        self._shared_bias: tuple[Stack, Tensor] | None = None

    def scaled_query(self, part: Part) -> Tensor:
        """A part's queries times the scale, [batch, queries, width]."""
        return self.query.of(part.queries, part).to(self.dtype) * self.scale

    def weights(self, part: Part) -> Tensor:
        """A part's attention weights before dropout, [batch, queries, keys]."""
        scores = torch.bmm(self.scaled_query(part), self.key.of(part.keys, part).to(self.dtype).mT)
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

    def dropped(self, part: Part, weights: Tensor) -> Tensor:
        """A part's attention weights after dropout."""
        factors = self.dropout.factors(weights, part.number)
        return weights if factors is None else weights * factors

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
        schedule, dtype, device = work.schedule, work.dtype, output_gradient.device
        self.output = _Tokens(output_gradient, schedule.queries)
        if self.output.slots is not None:
            self.output.slots.index_fill_(0, schedule.queries.padding, 0.0)
        self.query = _Sum(schedule.queries, work.query.rows.shape[-1], dtype, device)
        self.key = _Sum(schedule.keys, work.key.rows.shape[-1], dtype, device)
        self.value = _Sum(schedule.keys, work.value.rows.shape[-1], dtype, device)
        self.table = torch.zeros_like(work.table.T).contiguous() if of_table and work.table is not None else None

    def add(self, part: Part, weights: Tensor) -> None:
        """Add what a part contributes, given its weights before dropout."""
        work = self.work
        output = self.output.of(part.queries, part)
        factors = work.dropout.factors(weights, part.number)
        dropped = weights if factors is None else weights * factors
        # In bfloat16, products whose result is a gradient and no more take their factors rounded, as torch's own
        # attention does; its error is no less.
        self.value.add(part.keys, dropped.mT, output)
        value = work.value.of(part.keys, part).to(work.dtype)
        weight_gradient = torch.bmm(output.to(work.dtype), value.mT)
        if factors is not None:
            weight_gradient *= factors
        scores = torch._softmax_backward_data(weight_gradient, weights, -1, weights.dtype)
        if self.table is not None and part.stack.distances is not None:
            table = self.table[:, part.heads.start : part.heads.stop]
            part.stack.distances.add_gradient(table, scores.view(part.shape), part.rectangles)
        scores *= work.scale
        self.query.add(part.queries, scores, work.key.of(part.keys, part))
        self.key.add(part.keys, scores.mT, work.query.of(part.queries, part))

    def result(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The gradients of query, key, value and bias table."""
        num_heads, types = self.work.schedule.num_heads, self.work.types
        sums = (self.query, self.key, self.value)
        query, key, value = (each.result(num_heads).to(dtype) for each, dtype in zip(sums, types, strict=True))
        return query, key, value, None if self.table is None else self.table.T
