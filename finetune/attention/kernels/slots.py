"""Slots: where the chunks of a plan find the rows of queries, keys and values, and where their products are added.

Rows are tokens and heads together: [tokens, heads, head_dim] is read as [tokens * heads, head_dim]. A slot is a place
for one row in a chunk; padded tiles have slots without a row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SPARSE_SLOTS = 4
"""With more slots for each row than this, rows are surely in several slots, and looking for the contrary is skipped."""


@dataclass(frozen=True, eq=False)
class SlotIndices:
    """Which row of the queries (or keys) each slot holds, for all chunks one after the other.

    Args:
        rows: int64 [slots], the row of each slot; an arbitrary one at padding.
        padding: int64, the slots that are padding; empty for keys, whose padding the masks exclude.
        slots: int64 [tokens * heads], the slot of each row, and the number of slots for rows that have none. None
            where a row may be in several slots.
        num_rows: tokens * heads.
    """

    rows: Tensor
    padding: Tensor
    slots: Tensor | None
    num_rows: int


@dataclass(frozen=True, eq=False)
class SlotRange:
    """The slots of a group of chunks.

    Args:
        indices: Of all slots.
        slots: Those of the group, which follow one another.
        shapes: Of each chunk: its tiles times its heads, and the slots of each.
    """

    indices: SlotIndices
    slots: slice
    shapes: tuple[tuple[int, int], ...]


def index_slots(
    tokens: Sequence[Tensor], heads: Sequence[range], num_tokens: int, num_heads: int, *, unique: bool
) -> SlotIndices:
    """Number the slots of chunks, which hold the tokens [tiles, slots] in those heads.

    Args:
        tokens: Of each chunk, -1 at padding.
        heads: Of each chunk.
        num_tokens: Tokens of the stream.
        num_heads: Of the model.
        unique: Whether it is known that no row is in two slots, as queries are; only then is padding looked for.
    """
    # Slots of a chunk lie as its products want them: [tiles, heads, slots].
    by_head = [one[:, None].expand(-1, len(own), -1) for one, own in zip(tokens, heads, strict=True)]
    head_numbers = [
        torch.arange(own.start, own.stop, device=one.device)[:, None].expand(one.shape)
        for one, own in zip(by_head, heads, strict=True)
    ]
    rows = _flat(by_head)
    is_token = rows >= 0
    # Padding reads row 0 of its head: gathering needs a valid index, and the values are masked or dropped later.
    rows.clamp_(min=0).mul_(num_heads).add_(_flat(head_numbers))
    num_rows = num_tokens * num_heads
    padding = (~is_token).nonzero().flatten() if unique else rows.new_empty(0)
    slots = None if not unique and len(rows) > SPARSE_SLOTS * num_rows else _invert(rows, is_token, num_rows, unique)
    return SlotIndices(rows, padding, slots, num_rows)


def _invert(rows: Tensor, is_token: Tensor, num_rows: int, unique: bool) -> Tensor | None:
    """The slot of each row, int64 [rows]; None where a row is in two slots."""
    filled = is_token.nonzero().flatten()
    filled_rows = rows.index_select(0, filled)
    slots = rows.new_full((num_rows,), len(rows)).index_copy_(0, filled_rows, filled)
    # Of a row in two slots one entry overwrites the other, which then does not read itself back.
    return slots if unique or torch.equal(slots.index_select(0, filled_rows), filled) else None


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers one after the other, int64."""
    return torch.cat([each.reshape(-1) for each in tensors]) if tensors else torch.empty(0, dtype=torch.int64)


def slot_range(indices: SlotIndices, start: int, shapes: Sequence[tuple[int, int]]) -> SlotRange:
    """The slots of chunks of these shapes (see `SlotRange`), from the slot `start` on."""
    return SlotRange(indices, slice(start, start + sum(map(math.prod, shapes))), tuple(shapes))


def split_slots(numbers: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Views of [numbers, ...], one of each shape [*shape, ...], which follow one another."""
    pieces = numbers.split_with_sizes([math.prod(shape) for shape in shapes])
    return [piece.view(*shape, *numbers.shape[1:]) for piece, shape in zip(pieces, shapes, strict=True)]


def gather(tokens: Tensor, indices: SlotIndices, dtype: torch.dtype) -> Tensor:
    """[slots, head_dim] of that type where no row is taken twice; else the rows [tokens * heads, head_dim] themselves.

    Gathering all at once saves calls; but of rows in many slots it would make many copies.
    """
    rows = tokens.reshape(-1, tokens.shape[-1])
    return rows if indices.slots is None else rows.index_select(0, indices.rows).to(dtype)


def take(rows: Tensor, group: SlotRange, dtype: torch.dtype) -> list[Tensor]:
    """What `gather` gave, as each chunk's [tiles * heads, slots, head_dim]."""
    indices, slots = group.indices, group.slots
    taken = rows.index_select(0, indices.rows[slots]) if indices.slots is None else rows[slots]
    return split_slots(taken.to(dtype), group.shapes)


def empty_total(indices: SlotIndices, head_dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Memory for a sum over tokens: [slots + 1, head_dim] to be written once each, or [tokens * heads, head_dim]."""
    if indices.slots is None:
        return torch.zeros(indices.num_rows, head_dim, dtype=dtype, device=device)
    total = torch.empty(len(indices.rows) + 1, head_dim, dtype=dtype, device=device)
    total[-1] = 0  # read by rows that are in no slot
    return total


def accumulate(
    total: Tensor, group: SlotRange, left: Sequence[Tensor], right: Sequence[Tensor], scale: float = 1.0
) -> None:
    """Add each chunk's product left @ right * scale, [tiles * heads, slots, head_dim], to the rows of its slots."""
    unique = group.indices.slots is not None
    in_place = unique and right[0].dtype == total.dtype
    count = group.slots.stop - group.slots.start
    numbers = total[group.slots] if in_place else right[0].new_empty(count, total.shape[1])
    for one, other, product in zip(left, right, split_slots(numbers, group.shapes), strict=True):
        torch.baddbmm(product, one, other, beta=0, alpha=scale, out=product)
    if unique and not in_place:
        total[group.slots] = numbers
    elif not unique:
        total.index_add_(0, group.indices.rows[group.slots], numbers.to(total.dtype))


def to_tokens(total: Tensor, indices: SlotIndices, num_heads: int, dtype: torch.dtype) -> Tensor:
    """A sum as [tokens, heads, head_dim]."""
    rows = total.to(dtype)
    rows = rows if indices.slots is None else rows.index_select(0, indices.slots)
    return rows.view(-1, num_heads, total.shape[1])
