"""What is to be computed: rectangles of the score matrix in stacks, and the parts that are computed at once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from finetune.attention.kernels.flex import FlexBlocks

PART_WEIGHTS = 2**20
"""Numbers computed with at once, 4 MiB: all that is done to them happens in the cache."""
SLOT_WEIGHTS = 64
"""A slot for a query or key counts as so many attention weights, about the width of a head."""


@dataclass(frozen=True, eq=False)
class Distances:
    """Which entry of a bias table each pair of a rectangle reads: its key's position less its query's, plus `zero`.

    Args:
        queries: int64 [rectangles of one head, queries], positions; or [1, queries] where they are the same in all.
        keys: int64 [rectangles of one head, keys], likewise.
        zero: The entry of distance 0.
    """

    queries: Tensor
    keys: Tensor
    zero: int

    @property
    def shared(self) -> bool:
        """Whether all rectangles read the same entries."""
        return len(self.queries) == 1

    def bias(self, table: Tensor, rectangles: slice) -> Tensor:
        """The bias [rectangles, heads, queries, keys] (or [1, ...]) from a table [heads, distances]."""
        index = self.index(rectangles, table.shape[1])
        flat = table.index_select(1, index.flatten())
        return flat.view(len(table), *index.shape).transpose(0, 1)

    def add_gradient(self, table: Tensor, gradient: Tensor, rectangles: slice) -> None:
        """Add the gradient of a bias, [rectangles, heads, queries, keys], to a table [distances, heads]."""
        if self.shared:
            gradient = gradient.sum(0, keepdim=True)
        index = self.index(rectangles, len(table))
        table.index_add_(0, index.flatten(), gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1]))

    def index(self, rectangles: slice, width: int) -> Tensor:
        """The entries of a table of that width, int64 [rectangles, queries, keys] (or [1, ...])."""
        queries, keys = (each if self.shared else each[rectangles] for each in (self.queries, self.keys))
        return (keys[:, None, :] - queries[:, :, None] + self.zero).clamp_(0, width - 1)


@dataclass(frozen=True, eq=False)
class Stack:
    """Rectangles of one size, of the same heads, computed together.

    Args:
        queries: int64 [rectangles, queries], tokens of the query stream; -1 at slots that stand for nothing.
        keys: int64 [rectangles, keys], likewise of the key stream.
        allowed: bool, broadcastable to [rectangles, heads, queries, masked keys], True means attend; it speaks of the
            last keys of each rectangle, and those before them are allowed to every query. None allows every pair
            of real slots, of which there are no others.
        heads: The heads; all where None.
        distances: For models with a relative bias.
    """

    queries: Tensor
    keys: Tensor
    allowed: Tensor | None = None
    heads: range | None = None
    distances: Distances | None = None

    @property
    def area(self) -> int:
        """Attention weights of one head of one rectangle."""
        return self.queries.shape[1] * self.keys.shape[1]

    @cached_property
    def additive(self) -> Tensor | None:
        """0 where allowed and -inf elsewhere, float32; a row that would be -inf alone is 0, see `empty`."""
        if self.allowed is None:
            return None
        excluded = ~self.allowed
        if self._lost is not None:
            excluded &= ~self._lost
        return torch.zeros(excluded.shape, device=excluded.device).masked_fill_(excluded, -torch.inf)

    @cached_property
    def empty(self) -> Tensor | None:
        """The queries that may attend to nothing: bool [rectangles, heads, queries, 1]; None where there are none."""
        if self._lost is None:
            return None
        empty = self._lost & (self.queries >= 0)[:, None, :, None]
        return empty if bool(empty.any()) else None

    @cached_property
    def _lost(self) -> Tensor | None:
        """Slots for queries that may attend to nothing, [rectangles, heads, queries, 1]; None where there are none."""
        if self.allowed is None or self.allowed.shape[-1] < self.keys.shape[1]:
            return None
        some = self.allowed.any(-1, keepdim=True)
        return None if bool(some.all()) else ~some

    def to(self, device: torch.device) -> Stack:
        """The same stack on a device."""
        queries, keys = (tensor.to(device, non_blocking=True) for tensor in (self.queries, self.keys))
        allowed = None if self.allowed is None else self.allowed.to(device, non_blocking=True)
        distances = self.distances
        if distances is not None:
            distances = Distances(distances.queries.to(device), distances.keys.to(device), distances.zero)
        return Stack(queries, keys, allowed, self.heads, distances)


@dataclass(frozen=True)
class Place:
    """Where one side of a part, or of a bundle, finds its tokens.

    Args:
        slots: Which slots these are of all those of the side.
        shapes: Of each part: its rectangles times its heads, and the slots of each.
    """

    slots: slice
    shapes: tuple[tuple[int, int], ...]

    @classmethod
    def join(cls, places: Sequence[Place]) -> Place:
        """Of parts that follow one another."""
        slots = slice(places[0].slots.start, places[-1].slots.stop)
        return cls(slots, tuple(shape for place in places for shape in place.shapes))

    @cached_property
    def sizes(self) -> list[int]:
        """Slots of each part."""
        return [batch * slots for batch, slots in self.shapes]

    def cut(self, numbers: Tensor) -> list[Tensor]:
        """[slots, width] as views of each part's [batch, slots, width]."""
        pieces = numbers.split_with_sizes(self.sizes)
        return [piece.view(*shape, -1) for piece, shape in zip(pieces, self.shapes, strict=True)]


@dataclass(frozen=True, eq=False)
class Side:
    """All slots for queries, or for keys, part by part.

    Args:
        tokens: Of each part: int64 [rectangles, slots], -1 where there is no token.
        heads: Of each part.
        num_heads: Of the model.
        num_tokens: Of the stream.
        unique: Whether it is known that no row is in two slots.
    """

    tokens: tuple[Tensor, ...]
    heads: tuple[range, ...]
    num_heads: int
    num_tokens: int
    unique: bool = False

    @property
    def total(self) -> int:
        """Rows, [tokens * heads]."""
        return self.num_tokens * self.num_heads

    @cached_property
    def count(self) -> int:
        """Slots."""
        return sum(tokens.numel() * len(heads) for tokens, heads in zip(self.tokens, self.heads, strict=True))

    @cached_property
    def rows(self) -> Tensor:
        """int64 [slots], the row of each; a row all the same where there is no token."""
        return self._rows_and_real[0]

    @cached_property
    def real(self) -> Tensor:
        """Whether there is a token: bool [slots]."""
        return self._rows_and_real[1]

    @cached_property
    def _rows_and_real(self) -> tuple[Tensor, Tensor]:
        tokens, heads = [], []
        for one, own in zip(self.tokens, self.heads, strict=True):
            tokens.append(one[:, None].expand(-1, len(own), -1))
            numbers = torch.arange(own.start, own.stop, device=one.device)
            heads.append(numbers[:, None].expand(tokens[-1].shape))
        rows = _flat(tokens)
        real = rows >= 0
        return rows.clamp_(min=0).mul_(self.num_heads).add_(_flat(heads)), real

    @cached_property
    def _found(self) -> Tensor:
        """int64, the slots that stand for a token."""
        return self.real.nonzero().flatten()

    @cached_property
    def padding(self) -> Tensor:
        """int64, the slots that stand for nothing."""
        return (~self.real).nonzero().flatten()

    @cached_property
    def slots(self) -> Tensor:
        """int64 [rows], the slot of each where it has one only; one past the last for those that are nowhere."""
        slots = self.rows.new_full((self.total,), self.count)
        return slots.index_copy_(0, self.rows.index_select(0, self._found), self._found)

    @cached_property
    def once(self) -> bool:
        """Whether no row is in two slots; taken for untrue where there are far more slots than rows."""
        if self.unique or self.count > 4 * self.total:
            return self.unique
        return torch.equal(self.slots.index_select(0, self.rows.index_select(0, self._found)), self._found)


def _flat(numbers: Sequence[Tensor]) -> Tensor:
    """All numbers in one row, int64."""
    return torch.cat([each.reshape(-1) for each in numbers]) if numbers else torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True, eq=False)
class Part:
    """Rectangles of a stack that are multiplied at once, in some of its heads.

    Args:
        stack: The stack.
        rectangles: Which of the stack's.
        heads: Which of the model's.
        queries: Where its queries are found.
        keys: Where its keys are found.
    """

    stack: Stack
    rectangles: slice
    heads: range
    queries: Place
    keys: Place

    @cached_property
    def shape(self) -> tuple[int, int, int, int]:
        """Rectangles, heads, queries, keys."""
        count = self.rectangles.stop - self.rectangles.start
        return count, len(self.heads), self.stack.queries.shape[1], self.stack.keys.shape[1]

    @cached_property
    def weights(self) -> int:
        """Attention weights, padding included."""
        return math.prod(self.shape)

    @cached_property
    def additive(self) -> Tensor | None:
        """The part's share of the stack's `additive`."""
        return self._share(self.stack.additive)

    @cached_property
    def empty(self) -> Tensor | None:
        """The part's share of the stack's `empty`."""
        return self._share(self.stack.empty)

    def _share(self, by_rectangle: Tensor | None) -> Tensor | None:
        """Of something broadcastable to [rectangles, heads, queries, keys] of the stack."""
        if by_rectangle is None:
            return None
        if len(by_rectangle) > 1:
            by_rectangle = by_rectangle[self.rectangles]
        if by_rectangle.shape[1] > 1:
            first = 0 if self.stack.heads is None else self.stack.heads.start
            by_rectangle = by_rectangle[:, self.heads.start - first : self.heads.stop - first]
        return by_rectangle


@dataclass(frozen=True, eq=False)
class Bundle:
    """Parts whose weights lie in one piece of memory: what happens to each weight alone happens to all at once.

    A batch of short texts has many small parts, and a call of torch takes longer than what it computes of one.

    Args:
        number: Of the bundle in the schedule.
        parts: In the order of their weights and slots.
    """

    number: int
    parts: tuple[Part, ...]

    @cached_property
    def queries(self) -> Place:
        """Where its queries are found."""
        return Place.join([part.queries for part in self.parts])

    @cached_property
    def keys(self) -> Place:
        """Where its keys are found."""
        return Place.join([part.keys for part in self.parts])

    @cached_property
    def sizes(self) -> list[int]:
        """Attention weights of each part, padding included."""
        return [part.weights for part in self.parts]

    @cached_property
    def weights(self) -> int:
        """Attention weights, padding included."""
        return sum(self.sizes)

    def cut(self, weights: Tensor) -> list[Tensor]:
        """All weights [weights] as views of each part's [batch, queries, keys]."""
        cut = zip(weights.split_with_sizes(self.sizes), self.queries.shapes, strict=True)
        return [piece.view(*shape, -1) for piece, shape in cut]


@dataclass(frozen=True, eq=False)
class Schedule:
    """What is computed: stacks that together hold every query of every head once, but those that see nothing.

    Args:
        stacks: The rectangles.
        num_queries: Tokens of the query stream.
        num_keys: Tokens of the key stream.
        num_heads: Attention heads.
        flex: FlexAttention's way to compute the same, taken in place of the stacks where there is no dropout.
    """

    stacks: tuple[Stack, ...]
    num_queries: int
    num_keys: int
    num_heads: int
    flex: FlexBlocks | None = None

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """What is multiplied at once, one after the other."""
        parts: list[Part] = []
        stops = [0, 0]
        for stack in self.stacks:
            for rectangles, heads in self._cuts(stack):
                batch = (rectangles.stop - rectangles.start) * len(heads)
                places = []
                for number, tokens in enumerate((stack.queries, stack.keys)):
                    start, size = stops[number], tokens.shape[1]
                    stops[number] += batch * size
                    places.append(Place(slice(start, stops[number]), ((batch, size),)))
                parts.append(Part(stack, rectangles, heads, *places))
        return tuple(parts)

    @cached_property
    def bundles(self) -> tuple[Bundle, ...]:
        """What is computed at once, one after the other: as many parts as the cache holds, or one."""
        bundles: list[list[Part]] = []
        weights = 0
        for part in self.parts:
            weights += part.weights
            if not bundles or weights > PART_WEIGHTS:
                bundles.append([])
                weights = part.weights
            bundles[-1].append(part)
        return tuple(Bundle(number, tuple(parts)) for number, parts in enumerate(bundles))

    @cached_property
    def queries(self) -> Side:
        """The slots for queries."""
        tokens = tuple(part.stack.queries[part.rectangles] for part in self.parts)
        return Side(tokens, tuple(part.heads for part in self.parts), self.num_heads, self.num_queries, unique=True)

    @cached_property
    def keys(self) -> Side:
        """The slots for keys."""
        tokens = tuple(part.stack.keys[part.rectangles] for part in self.parts)
        return Side(tokens, tuple(part.heads for part in self.parts), self.num_heads, self.num_keys)

    @cached_property
    def weights(self) -> int:
        """Attention weights that are computed, padding included."""
        return sum(stack.area * len(stack.queries) * len(self._heads(stack)) for stack in self.stacks)

    def prepare(self) -> None:
        """Make now what the first call would make."""
        for side in (self.queries, self.keys):
            _ = side.rows, side.padding, side.slots if side.once else None
        for part in self.parts:
            _ = part.additive, part.empty

    def _heads(self, stack: Stack) -> range:
        return range(self.num_heads) if stack.heads is None else stack.heads

    def _cuts(self, stack: Stack) -> Iterator[tuple[slice, range]]:
        heads = self._heads(stack)
        load = max(1, stack.area + SLOT_WEIGHTS * sum(side.shape[1] for side in (stack.queries, stack.keys)))
        heads_at_once = min(len(heads), max(1, PART_WEIGHTS // load))
        at_once = max(1, PART_WEIGHTS // (load * heads_at_once))
        for start in range(0, len(stack.queries), at_once):
            rectangles = slice(start, min(start + at_once, len(stack.queries)))
            for first in range(heads.start, heads.stop, heads_at_once):
                yield rectangles, range(first, min(first + heads_at_once, heads.stop))
