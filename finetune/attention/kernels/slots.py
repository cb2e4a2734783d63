"""Slots: the places in the chunks of a plan into which rows of queries, keys and values are gathered.

A row is one token in one head: a tensor [tokens, heads, head_dim] is read as rows [tokens * heads, head_dim]. A slot is
the place of one row in a chunk; slots at the padding of tiles have no row. Products of a chunk are added to the rows of
its slots.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

SPARSE_SLOTS = 4
"""Number of slots for each row, on average, above which rows are taken to be in several slots without a check."""


@dataclass(frozen=True, eq=False)
class SlotIndices:
    """The row of the queries (or of the keys) that each slot holds, for the slots of all chunks one after the other.

    Args:
        rows: int64 [slots], the row of each slot; an arbitrary row at padding.
        padding: int64, indices of the slots that are padding; empty for keys, whose padding is masked.
        slots: int64 [tokens * heads], the slot of each row; the number of slots for rows without a slot. None where a
            row may be in several slots.
        num_rows: Number of rows, tokens * heads.
    """

    rows: Tensor
    padding: Tensor
    slots: Tensor | None
    num_rows: int


@dataclass(frozen=True, eq=False)
class SlotRange:
    """The slots of a group of chunks.

    Args:
        indices: The rows of the slots of all chunks.
        slots: The slots of the group, which follow one another.
        shapes: For each chunk its number of tiles times heads, and of slots in a tile.
    """

    indices: SlotIndices
    slots: slice
    shapes: tuple[tuple[int, int], ...]


def index_slots(
    tokens: Sequence[Tensor], heads: Sequence[range], num_tokens: int, num_heads: int, *, unique: bool
) -> SlotIndices:
    """Number the slots of all chunks, and find the row of each.

    Args:
        tokens: For each chunk int64 [tiles, slots of a tile], the tokens of its tiles, -1 at padding.
        heads: The heads of each chunk.
        num_tokens: Number of tokens of the tensor.
        num_heads: Number of heads of the model.
        unique: Whether it is known that no row is in two slots, which is so for queries. Only then `padding` is filled.
    """
    # The slots of a chunk have the order of its matrix products: [tiles, heads, slots of a tile].
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
    """Return the slot of each row, int64 [rows]; None where a row is in two slots.

    Args:
        rows: int64 [slots], the row of each slot.
        is_token: bool [slots], False at padding.
        num_rows: Number of rows.
        unique: Whether it is known that no row is in two slots.
    """
    filled = is_token.nonzero().flatten()
    filled_rows = rows.index_select(0, filled)
    slots = rows.new_full((num_rows,), len(rows)).index_copy_(0, filled_rows, filled)
    # If a row is in two slots, index_copy_ keeps one of them, and reading the row of the other slot gives another slot.
    return slots if unique or torch.equal(slots.index_select(0, filled_rows), filled) else None


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    """Return the numbers of all tensors one after the other, int64."""
    return torch.cat([each.reshape(-1) for each in tensors]) if tensors else torch.empty(0, dtype=torch.int64)


def slot_range(indices: SlotIndices, start: int, shapes: Sequence[tuple[int, int]]) -> SlotRange:
    """Return the slots of chunks of given shapes, as `SlotRange` describes them, which begin with the slot `start`."""
    return SlotRange(indices, slice(start, start + sum(map(math.prod, shapes))), tuple(shapes))


def split_slots(numbers: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Cut a tensor into views for each chunk.

    Args:
        numbers: [numbers, ...], those of all chunks one after the other.
        shapes: The shape of each chunk's numbers.

    Returns:
        For each chunk a view [*shape, ...].
    """
    pieces = numbers.split_with_sizes([math.prod(shape) for shape in shapes])
    return [piece.view(*shape, *numbers.shape[1:]) for piece, shape in zip(pieces, shapes, strict=True)]


def gather(tokens: Tensor, indices: SlotIndices, dtype: torch.dtype) -> Tensor:
    """Gather the rows of all slots at once where no row is in two slots; else return the rows as they are.

    To gather all at once takes fewer calls, but it would copy a row that is in many slots many times.

    Args:
        tokens: [tokens, heads, head_dim].
        indices: The rows of the slots of all chunks.
        dtype: Type of gathered rows.

    Returns:
        [slots, head_dim] of type `dtype`, or [tokens * heads, head_dim] of the type of `tokens`.
    """
    rows = tokens.reshape(-1, tokens.shape[-1])
    return rows if indices.slots is None else rows.index_select(0, indices.rows).to(dtype)


def take(rows: Tensor, group: SlotRange, dtype: torch.dtype) -> list[Tensor]:
    """Return the rows of the slots of each chunk in a group.

    Args:
        rows: What `gather` returned.
        group: The slots of the group.
        dtype: Type of the result.

    Returns:
        For each chunk [tiles * heads, slots of a tile, head_dim].
    """
    indices, slots = group.indices, group.slots
    taken = rows.index_select(0, indices.rows[slots]) if indices.slots is None else rows[slots]
    return split_slots(taken.to(dtype), group.shapes)


def empty_total(indices: SlotIndices, head_dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the tensor to which `accumulate` adds.

    Args:
        indices: The rows of the slots of all chunks.
        head_dim: Size of a row.
        dtype: Type of the tensor.
        device: Device of the tensor.

    Returns:
        [slots + 1, head_dim] where no row is in two slots: each slot is written once, and the last one stays 0. Else
        zeros [tokens * heads, head_dim], to which products are added.
    """
    if indices.slots is None:
        return torch.zeros(indices.num_rows, head_dim, dtype=dtype, device=device)
    total = torch.empty(len(indices.rows) + 1, head_dim, dtype=dtype, device=device)
    total[-1] = 0  # read by rows that are in no slot
    return total


def accumulate(
    total: Tensor, group: SlotRange, left: Sequence[Tensor], right: Sequence[Tensor], scale: float = 1.0
) -> None:
    """Add the matrix products left @ right * scale of each chunk to the rows of its slots, in place.

    Args:
        total: What `empty_total` returned.
        group: The slots of the group.
        left: For each chunk [tiles * heads, slots of a tile, n].
        right: For each chunk [tiles * heads, n, head_dim].
        scale: Factor of the products.
    """
    unique = group.indices.slots is not None
    in_place = unique and right[0].dtype == total.dtype  # the products are then written where they belong
    count = group.slots.stop - group.slots.start
    numbers = total[group.slots] if in_place else right[0].new_empty(count, total.shape[1])
    for one, other, product in zip(left, right, split_slots(numbers, group.shapes), strict=True):
        torch.baddbmm(product, one, other, beta=0, alpha=scale, out=product)
    if unique and not in_place:
        total[group.slots] = numbers
    elif not unique:
        total.index_add_(0, group.indices.rows[group.slots], numbers.to(total.dtype))


def to_tokens(total: Tensor, indices: SlotIndices, num_heads: int, dtype: torch.dtype) -> Tensor:
    """Return the sums of all rows.

    Args:
        total: What `accumulate` added to.
        indices: The rows of the slots of all chunks.
        num_heads: Number of heads of the model.
        dtype: Type of the result.

    Returns:
        [tokens, heads, head_dim].
    """
    rows = total.to(dtype)
    rows = rows if indices.slots is None else rows.index_select(0, indices.slots)
    return rows.view(-1, num_heads, total.shape[1])
