"""Attention over chosen rectangles of the score matrix, so that work follows the pairs that a mask allows.

A plan cuts the queries of a ragged stream into rectangles: some queries of one head, and every key that they may
attend to. Rectangles of like size are stacked and computed by batched matrix products; the backward pass is written by
hand. Every query of a head is in one rectangle at most, so that its softmax is complete there.

The weights are kept for the backward pass, or computed again where they would take too much memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from finetune.attention.kernels.dropout import Dropout

KEPT_WEIGHTS = 2**24
"""Weights kept for the backward pass by one call, 64 MiB; those of more are computed again."""


@dataclass(frozen=True, eq=False)
class Grouped:
    """Numbers 0, 1, 2 ... grouped by a target of each, to sum rows by target in a fixed order.

    Args:
        order: int64 [numbers], those with the first target first.
        starts: int64 [targets], where each target's begin.
    """

    order: Tensor
    starts: Tensor

    @classmethod
    def of(cls, targets: Tensor, count: int) -> Grouped:
        """Group by `targets`, int64 [numbers] below `count`; those with a negative target are left out."""
        ascending, order = targets.sort(stable=True)
        starts = torch.searchsorted(ascending, torch.arange(count + 1, device=targets.device))
        return cls(order[starts[0] :], starts[:-1] - starts[0])

    def sum(self, rows: Tensor) -> Tensor:
        """Sum rows [numbers, width] into [targets, width]."""
        if not len(self.order):
            return rows.new_zeros(len(self.starts), rows.shape[-1])
        return F.embedding_bag(self.order, rows, self.starts, mode="sum")


@dataclass(frozen=True, eq=False)
class Distances:
    """Which entry of a bias table each pair of a rectangle reads: its key's position less its query's.

    Args:
        index: int64 [rectangles of one head, queries, keys], or [1, ...] where they are the same in all.
        width: Entries of the table.
    """

    index: Tensor
    width: int

    def bias(self, table: Tensor) -> Tensor:
        """The bias [rectangles, heads, queries, keys] (or [1, ...]) from a table [heads, distances]."""
        flat = table.index_select(1, self.index.flatten())
        return flat.view(len(table), *self.index.shape).transpose(0, 1)

    def table_gradient(self, gradient: Tensor) -> Tensor:
        """Sum a gradient [rectangles, heads, queries, keys] into a table [heads, distances]."""
        if len(self.index) == 1:
            gradient = gradient.sum(0, keepdim=True)
        return self._pairs.sum(gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])).T

    @cached_property
    def _pairs(self) -> Grouped:
        return Grouped.of(self.index.flatten(), self.width)


@dataclass(frozen=True, eq=False)
class Stack:
    """Rectangles of one size, of the same heads, computed together.

    Args:
        queries: int64 [rectangles, queries], rows of the query stream; -1 at slots that stand for nothing.
        keys: int64 [rectangles, keys], likewise of the key stream.
        allowed: bool, broadcastable to [rectangles, heads, queries, keys], True means attend; None allows every pair
            of real slots, of which there are no others.
        heads: The heads; all where None.
        distances: For models with a relative bias.
    """

    queries: Tensor
    keys: Tensor
    allowed: Tensor | None = None
    heads: range | None = None
    distances: Distances | None = None

    @cached_property
    def additive(self) -> Tensor | None:
        """0 where allowed and -inf elsewhere, float32; a row that would be -inf alone is 0, see `empty`."""
        if self.allowed is None:
            return None
        excluded = ~self.allowed & self.allowed.any(-1, keepdim=True)
        return torch.zeros(excluded.shape, device=excluded.device).masked_fill_(excluded, -torch.inf)

    @cached_property
    def empty(self) -> Tensor | None:
        """The queries that may attend to nothing: bool [rectangles, heads, queries, 1]; None where there are none."""
        if self.allowed is None:
            return None
        lost = ~self.allowed.any(-1, keepdim=True) & (self.queries >= 0)[:, None, :, None]
        return lost if bool(lost.any()) else None


@dataclass(frozen=True, eq=False)
class Part:
    """Where a stack lies in the gathered rows.

    Args:
        stack: The rectangles.
        batch: Rectangles times heads.
        queries: Its slots among those of the queries.
        keys: Its slots among those of the keys.
    """

    stack: Stack
    batch: int
    queries: slice
    keys: slice

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Rectangles, heads, queries, keys."""
        count, queries = self.stack.queries.shape
        return count, self.batch // max(count, 1), queries, self.stack.keys.shape[1]


@dataclass(frozen=True, eq=False)
class Schedule:
    """What is computed: stacks that together hold every query of every head, but those that see nothing.

    Args:
        stacks: The rectangles.
        num_queries: Tokens of the query stream.
        num_keys: Tokens of the key stream.
        num_heads: Attention heads.
    """

    stacks: tuple[Stack, ...]
    num_queries: int
    num_keys: int
    num_heads: int
    parts: tuple[Part, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(self._parts()))

    def _parts(self) -> Iterator[Part]:
        query_stop = key_stop = 0
        for stack in self.stacks:
            heads = self.num_heads if stack.heads is None else len(stack.heads)
            query_start, key_start = query_stop, key_stop
            query_stop += stack.queries.numel() * heads
            key_stop += stack.keys.numel() * heads
            yield Part(stack, len(stack.queries) * heads, slice(query_start, query_stop), slice(key_start, key_stop))

    @cached_property
    def query_rows(self) -> Tensor:
        """int64 [slots], for each slot of the queries its row in [tokens * heads]."""
        return self._rows([stack.queries for stack in self.stacks]).clamp(min=0)

    @cached_property
    def key_rows(self) -> Tensor:
        """int64 [slots], for each slot of the keys its row in [tokens * heads]."""
        return self._rows([stack.keys for stack in self.stacks]).clamp(min=0)

    @cached_property
    def query_slots(self) -> Tensor:
        """int64 [tokens * heads], the slot of each query; one past the last for those that are nowhere."""
        rows = self._rows([stack.queries for stack in self.stacks])
        real = (rows >= 0).nonzero().flatten()
        slots = rows.new_full((self.num_queries * self.num_heads,), len(rows))
        return slots.index_copy_(0, rows[real], real)

    @cached_property
    def key_slots(self) -> Grouped:
        """The slots of each key, in [tokens * heads]."""
        return Grouped.of(self._rows([stack.keys for stack in self.stacks]), self.num_keys * self.num_heads)

    @property
    def weights(self) -> int:
        """Attention weights that are computed, padding included."""
        return sum(part.batch * part.shape[2] * part.shape[3] for part in self.parts)

    def _rows(self, sides: Sequence[Tensor]) -> Tensor:
        """Rows in [tokens * heads], ordered as [rectangles, heads, slots]; negative for padding."""
        rows = []
        for stack, tokens in zip(self.stacks, sides, strict=True):
            heads = torch.arange(self.num_heads, device=tokens.device)
            if stack.heads is not None:
                heads = heads[stack.heads.start : stack.heads.stop : stack.heads.step]
            # Padding, -1, becomes negative in every head.
            rows.append((tokens[:, None, :] * self.num_heads + heads[:, None]).flatten())
            rows[-1] = rows[-1].where((tokens >= 0)[:, None, :].expand(-1, len(heads), -1).flatten(), -1)
        return torch.cat(rows) if rows else torch.empty(0, dtype=torch.int64)


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
    with torch.autocast(query.device.type, enabled=False):  # the types are chosen here
        output: Tensor = _RectangleAttention.apply(query, key, value, bias_table, schedule, scale, dropout)  # type: ignore[no-untyped-call]
    return output


class _RectangleAttention(torch.autograd.Function):
    """Saves queries, keys, values and weights (or what gives them back); one level of differentiation."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias_table: Tensor | None,
        schedule: Schedule,
        scale: float,
        dropout: float,
    ) -> Tensor:
        work = _Work(query, key, value, bias_table, schedule, scale, Dropout.draw(dropout))
        keep = schedule.weights <= KEPT_WEIGHTS and any(ctx.needs_input_grad)
        output = work.values.new_empty(work.output_shape)
        kept = []
        for part in schedule.parts:
            weights = work.weights(part)
            factors = work.dropout.factors(weights, part.queries.start)
            dropped = weights if factors is None else weights * factors
            torch.bmm(dropped, work.value_of(part), out=work.slots_of(output, part))
            if keep:
                kept.append(weights)
        ctx.save_for_backward(query, key, value, bias_table, *kept)
        ctx.schedule, ctx.scale, ctx.dropout = schedule, scale, work.dropout
        return _at_queries(output, schedule).to(query.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias_table, *kept = ctx.saved_tensors
        schedule: Schedule = ctx.schedule
        work = _Work(query, key, value, bias_table, schedule, ctx.scale, ctx.dropout)
        gradients = _Gradients(work, output_gradient)
        for number, part in enumerate(schedule.parts):
            gradients.add(part, kept[number] if kept else work.weights(part))
        return (*gradients.result(), None, None, None)


class _Work:
    """Gathered queries, keys and values of a call."""

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
        self.types = query.dtype, key.dtype, value.dtype
        self.dtype = torch.float64 if query.dtype == torch.float64 else torch.float32
        self.schedule, self.scale, self.dropout = schedule, scale, dropout
        self.queries = self.gather(query, schedule.query_rows)
        self.keys = self.gather(key, schedule.key_rows)
        self.values = self.gather(value, schedule.key_rows)
        self.table = None if bias_table is None else bias_table.to(self.dtype)
        self.output_shape = len(self.queries) + 1, self.values.shape[-1]

    def gather(self, tokens: Tensor, rows: Tensor) -> Tensor:
        """[slots, width] of [tokens, heads, width]."""
        return tokens.reshape(-1, tokens.shape[-1]).index_select(0, rows.to(tokens.device)).to(self.dtype)

    def slots_of(self, slots: Tensor, part: Part) -> Tensor:
        """A part's [batch, queries, width] of all slots of the queries."""
        return slots[part.queries].view(part.batch, -1, slots.shape[-1])

    def value_of(self, part: Part) -> Tensor:
        """A part's values [batch, keys, width]."""
        return self.values[part.keys].view(part.batch, -1, self.values.shape[-1])

    def query_of(self, part: Part) -> Tensor:
        """A part's queries [batch, queries, width]."""
        return self.slots_of(self.queries, part)

    def key_of(self, part: Part) -> Tensor:
        """A part's keys [batch, keys, width]."""
        return self.keys[part.keys].view(part.batch, -1, self.keys.shape[-1])

    def weights(self, part: Part) -> Tensor:
        """A part's attention weights before dropout, [batch, queries, keys]."""
        stack, shape = part.stack, part.shape
        query, key = self.query_of(part), self.key_of(part).mT
        added = stack.additive
        if self.table is not None and stack.distances is not None:
            table = self.table if stack.heads is None else self.table[list(stack.heads)]
            bias = stack.distances.bias(table)
            added = bias if added is None else bias + added
        if added is None:
            scores = torch.baddbmm(query.new_empty(1), query, key, beta=0, alpha=self.scale)
        else:
            scores = added.to(self.dtype).expand(shape).reshape(part.batch, *shape[2:])
            scores = torch.baddbmm(scores, query, key, alpha=self.scale)
        weights = torch.softmax(scores, -1)
        if stack.empty is not None:
            weights.view(shape).masked_fill_(stack.empty, 0.0)
        return weights


class _Gradients:
    """The gradients of a call, collected part by part in slots."""

    def __init__(self, work: _Work, output_gradient: Tensor) -> None:
        self.work = work
        self.output = _to_query_slots(output_gradient.to(work.dtype), work.schedule)
        self.query = work.queries.new_zeros(len(work.queries) + 1, work.queries.shape[-1])
        self.key = torch.empty_like(work.keys)
        self.value = torch.empty_like(work.values)
        self.table = None if work.table is None else torch.zeros_like(work.table)

    def add(self, part: Part, weights: Tensor) -> None:
        """Add what a part contributes, given its weights before dropout."""
        work = self.work
        output = work.slots_of(self.output, part)
        factors = work.dropout.factors(weights, part.queries.start)
        dropped = weights if factors is None else weights * factors
        torch.bmm(dropped.mT, output, out=self.value[part.keys].view(part.batch, -1, self.value.shape[-1]))
        weight_gradient = torch.bmm(output, work.value_of(part).mT)
        if factors is not None:
            weight_gradient *= factors
        scores = torch._softmax_backward_data(weight_gradient, weights, -1, weights.dtype)
        self._add_bias(part, scores)
        scores *= work.scale
        torch.bmm(scores, work.key_of(part), out=work.slots_of(self.query, part))
        torch.bmm(scores.mT, work.query_of(part), out=self.key[part.keys].view(part.batch, -1, self.key.shape[-1]))

    def _add_bias(self, part: Part, scores: Tensor) -> None:
        distances, heads = part.stack.distances, part.stack.heads
        if self.table is not None and distances is not None:
            chosen = slice(None) if heads is None else list(heads)
            self.table[chosen] += distances.table_gradient(scores.view(part.shape))

    def result(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The gradients of query, key, value and bias table."""
        work, schedule = self.work, self.work.schedule
        key, value = (
            schedule.key_slots.sum(slots).view(schedule.num_keys, schedule.num_heads, -1).to(dtype)
            for slots, dtype in zip((self.key, self.value), work.types[1:], strict=True)
        )
        return _at_queries(self.query, schedule).to(work.types[0]), key, value, self.table


def _at_queries(slots: Tensor, schedule: Schedule) -> Tensor:
    """[queries, heads, width] from slots [slots + 1, width], whose last row is for queries that are nowhere."""
    slots[-1] = 0
    rows = slots.index_select(0, schedule.query_slots.to(slots.device))
    return rows.view(schedule.num_queries, schedule.num_heads, slots.shape[-1])


def _to_query_slots(gradient: Tensor, schedule: Schedule) -> Tensor:
    """Slots [slots + 1, width] of [queries, heads, width], zero where there is no query."""
    width = gradient.shape[-1]
    slots = gradient.new_zeros(len(schedule.query_rows) + 1, width)
    return slots.index_copy_(0, schedule.query_slots.to(gradient.device), gradient.reshape(-1, width))
