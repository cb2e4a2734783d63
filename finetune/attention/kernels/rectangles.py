"""Attention over chosen rectangles of the score matrix, so that work follows the pairs that a mask allows.

A plan cuts the queries of a ragged stream into rectangles: some queries of one head, and every key that they may
attend to. Rectangles of like size are stacked and computed by batched matrix products; what happens to each weight
alone is done to as many stacks at once as the cache holds. The backward pass is written by hand. Every query of a head
is in one rectangle at most, so that its softmax is complete there.

The weights are kept for the backward pass, or computed again where they would take too much memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from finetune.attention.kernels.dropout import Dropout
from finetune.attention.kernels.schedule import Bundle, Part, Place, Schedule, Side, Stack

__all__ = ["rectangle_attention"]


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
    last products of the backward pass are computed in their type where that is faster. A query that may attend to
    nothing yields zeros and passes on zero gradient.

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
    """Saves queries, keys and values, as parts take them, and perhaps weights; one level of differentiation."""

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
        # About as much memory as the inputs themselves take, so that memory is linear wherever work is.
        keep = any(ctx.needs_input_grad) and schedule.weights <= query.numel() + key.numel() + value.numel()
        kept: list[Tensor | None] = []
        with _products(query, schedule) as narrow:
            # What is kept is kept as it will be computed with.
            dtype = narrow if keep else query.dtype
            tokens = (
                _Tokens.of(query, schedule.queries, dtype),
                _Tokens.of(key, schedule.keys, dtype),
                _Tokens.of(value, schedule.keys, dtype),
            )
            work = _Work(*tokens, bias_table, schedule, scale, dropout, narrow)
            output = _Sum(schedule.queries, value.shape[-1], work.dtype, query.device)
            for bundle in schedule.bundles:
                weights, survivors = work.weights(bundle), work.survivors(bundle)
                dropped = weights if survivors is None else dropout.factors(survivors, work.dtype).mul_(weights)
                output.add(bundle.queries, bundle.cut(dropped), work.value.take(bundle.keys, work.dtype))
                if keep:
                    kept += weights, survivors
            result = output.result(schedule.num_heads, query.dtype)
        ctx.save_for_backward(*(one.rows for one in tokens), bias_table, *kept)
        ctx.schedule, ctx.scale, ctx.dropout = schedule, scale, dropout
        return result

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output_gradient: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias_table, *kept = ctx.saved_tensors
        schedule: Schedule = ctx.schedule
        with _products(output_gradient, schedule) as narrow:
            tokens = _Tokens(query, schedule.queries), _Tokens(key, schedule.keys), _Tokens(value, schedule.keys)
            work = _Work(*tokens, bias_table, schedule, ctx.scale, ctx.dropout, narrow)
            gradients = _Gradients(work, output_gradient, ctx.needs_input_grad[3])
            for bundle in schedule.bundles:
                if kept:
                    weights, survivors = kept[2 * bundle.number : 2 * bundle.number + 2]
                else:
                    weights, survivors = work.weights(bundle), work.survivors(bundle)
                gradients.add(bundle, weights, survivors)
        return (*gradients.result(), None, None, None)


_LARGE = 2**26
"""Operations of a product of matrices from which on oneDNN is worth its kernel, which takes it half a millisecond to
write for each new shape; and every batch has its own."""


@contextmanager
def _products(query: Tensor, schedule: Schedule) -> Iterator[torch.dtype]:
    """Matrices are multiplied in this block in the types that they have, on a CPU by MKL where all are small.

    Gives the type for the last products of the backward pass: the queries' own, unless they are small. In bfloat16,
    products whose result is a gradient and no more take their factors rounded, as torch's own attention does; its
    error is no less.
    """
    largest = 2 * query.shape[-1] * max((part.weights for part in schedule.parts), default=0)
    has_mkl = query.device.type == "cpu" and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
    with torch.autocast(query.device.type, enabled=False):
        if not has_mkl or largest >= _LARGE:
            yield query.dtype
            return
        matmul: Any = torch.backends.mkldnn.matmul  # type: ignore[attr-defined]
        before = matmul.fp32_precision
        matmul.fp32_precision = "ieee"
        try:
            yield _wide(query.dtype)
        finally:
            matmul.fp32_precision = before


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


@dataclass(frozen=True, eq=False)
class _Tokens:
    """Queries, keys or values, of which bundles take their share.

    Args:
        rows: [slots, width], taken at once, where no row is taken twice; else [tokens * heads, width].
        side: Of the schedule.
    """

    rows: Tensor
    side: Side

    @classmethod
    def of(cls, tokens: Tensor, side: Side, dtype: torch.dtype) -> _Tokens:
        """From [tokens, heads, width], to be in that type."""
        rows = tokens.reshape(-1, tokens.shape[-1])
        return cls(rows.index_select(0, side.rows).to(dtype) if side.once else rows, side)

    def take(self, place: Place, dtype: torch.dtype) -> list[Tensor]:
        """Each part's [batch, slots, width] of a bundle."""
        taken = self.rows[place.slots] if self.side.once else self.rows.index_select(0, self.side.rows[place.slots])
        return place.cut(taken.to(dtype))


class _Sum:
    """What bundles contribute to each token: its output, or its gradient."""

    def __init__(self, side: Side, width: int, dtype: torch.dtype, device: torch.device) -> None:
        self.side, self.width = side, width
        count = side.count + 1 if side.once else side.total
        self.numbers = torch.empty(count, width, dtype=dtype, device=device)
        self.numbers[-1 if side.once else slice(None)] = 0

    def add(self, place: Place, left: Sequence[Tensor], right: Sequence[Tensor], scale: float = 1.0) -> None:
        """Add the products [batch, slots, width] of each part of a bundle, times `scale`; factors are of one type."""
        own = self.side.once and right[0].dtype == self.numbers.dtype
        numbers = self.numbers[place.slots] if own else right[0].new_empty(sum(place.sizes), self.width)
        for one, other, product in zip(left, right, place.cut(numbers), strict=True):
            torch.baddbmm(product, one, other, beta=0, alpha=scale, out=product)
        if self.side.once and not own:
            self.numbers[place.slots] = numbers
        elif not own:
            self.numbers.index_add_(0, self.side.rows[place.slots], numbers.to(self.numbers.dtype))

    def result(self, num_heads: int, dtype: torch.dtype) -> Tensor:
        """[tokens, heads, width], of that type."""
        rows = self.numbers.to(dtype)
        return (rows.index_select(0, self.side.slots) if self.side.once else rows).view(-1, num_heads, self.width)


class _Work:
    """The inputs of a call, and what is computed of them bundle by bundle."""

    def __init__(
        self,
        query: _Tokens,
        key: _Tokens,
        value: _Tokens,
        bias_table: Tensor | None,
        schedule: Schedule,
        scale: float,
        dropout: Dropout,
        narrow: torch.dtype,
    ) -> None:
        self.dtype = _wide(query.rows.dtype)
        self.narrow = narrow
        self.query, self.key, self.value = query, key, value
        self.table = None if bias_table is None else bias_table.to(self.dtype)
        self.schedule, self.scale, self.dropout = schedule, scale, dropout
        self._shared_bias: tuple[Stack, Tensor] | None = None

    def weights(self, bundle: Bundle) -> Tensor:
        """A bundle's attention weights before dropout, [weights]."""
        scores, weights = (self.query.rows.new_empty(bundle.weights, dtype=self.dtype) for _ in range(2))
        queries = self.query.take(bundle.queries, self.dtype)
        keys = self.key.take(bundle.keys, self.dtype)
        cut = zip(bundle.parts, queries, keys, bundle.cut(scores), bundle.cut(weights), strict=True)
        for part, query, key, score, weight in cut:
            torch.baddbmm(score, query, key.mT, beta=0, alpha=self.scale, out=score)
            self._restrict(part, score)
            torch.softmax(score, -1, out=weight)
            if part.empty is not None:
                weight.view(part.shape).masked_fill_(part.empty, 0.0)
        return weights

    def survivors(self, bundle: Bundle) -> Tensor | None:
        """Which of a bundle's weights are not dropped, uint8 [weights]; None without dropout."""
        return self.dropout.survivors(bundle.weights, bundle.number, self.query.rows.device)

    def _restrict(self, part: Part, score: Tensor) -> None:
        """Add bias and mask to a part's scores, [batch, queries, keys]."""
        bias, additive = self._bias(part), part.additive
        if bias is None and additive is None:
            return
        scores = score.view(part.shape)
        if bias is not None:
            scores.add_(bias)
        if additive is not None:
            masked = additive.shape[-1]
            (scores if masked == scores.shape[-1] else scores[..., -masked:]).add_(additive)

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
    """The gradients of a call, collected bundle by bundle."""

    def __init__(self, work: _Work, output_gradient: Tensor, of_table: bool) -> None:
        self.work = work
        self.dtype = output_gradient.dtype
        self.output = _Tokens.of(output_gradient, work.schedule.queries, work.narrow)
        if self.output.side.once:
            self.output.rows.index_fill_(0, self.output.side.padding, 0.0)
        self.query, self.key, self.value = map(self._sum, (work.query, work.key, work.value))
        self.table = torch.zeros_like(work.table.T).contiguous() if of_table and work.table is not None else None

    def _sum(self, tokens: _Tokens) -> _Sum:
        # Products of narrow factors are rounded once either way where nothing is added to them.
        dtype = self.work.narrow if tokens.side.once else self.work.dtype
        return _Sum(tokens.side, tokens.rows.shape[-1], dtype, tokens.rows.device)

    def add(self, bundle: Bundle, weights: Tensor, survivors: Tensor | None) -> None:
        """Add what a bundle contributes, given its weights before dropout."""
        work = self.work
        factors = None if survivors is None else work.dropout.factors(survivors, work.dtype)
        outputs = self.output.take(bundle.queries, work.dtype)
        narrow = outputs if work.narrow == work.dtype else self.output.take(bundle.queries, work.narrow)
        dropped = (weights if factors is None else weights * factors).to(work.narrow)
        self.value.add(bundle.keys, _transposed(bundle.cut(dropped)), narrow)
        scores = self._scores(bundle, outputs, weights, factors)
        self._add_to_table(bundle, scores)
        cut = bundle.cut(scores.to(work.narrow))
        self.query.add(bundle.queries, cut, work.key.take(bundle.keys, work.narrow), work.scale)
        self.key.add(bundle.keys, _transposed(cut), work.query.take(bundle.queries, work.narrow), work.scale)

    def _scores(self, bundle: Bundle, outputs: list[Tensor], weights: Tensor, factors: Tensor | None) -> Tensor:
        """The gradient of the scores, [weights], from that of the outputs."""
        of_weights, scores = torch.empty_like(weights), torch.empty_like(weights)
        values = self.work.value.take(bundle.keys, self.work.dtype)
        for output, value, gradient in zip(outputs, values, bundle.cut(of_weights), strict=True):
            torch.bmm(output, value.mT, out=gradient)
        if factors is not None:
            of_weights *= factors
        for gradient, weight, score in zip(*map(bundle.cut, (of_weights, weights, scores)), strict=True):
            torch.ops.aten._softmax_backward_data.out(gradient, weight, -1, weight.dtype, grad_input=score)
        return scores

    def _add_to_table(self, bundle: Bundle, scores: Tensor) -> None:
        for part, gradient in zip(bundle.parts, bundle.cut(scores), strict=True):
            if self.table is not None and part.stack.distances is not None:
                table = self.table[:, part.heads.start : part.heads.stop]
                part.stack.distances.add_gradient(table, gradient.view(part.shape), part.rectangles)

    def result(self) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """The gradients of query, key, value and bias table."""
        num_heads = self.work.schedule.num_heads
        query, key, value = (total.result(num_heads, self.dtype) for total in (self.query, self.key, self.value))
        return query, key, value, None if self.table is None else self.table.T


def _transposed(pieces: Sequence[Tensor]) -> list[Tensor]:
    return [piece.mT for piece in pieces]
