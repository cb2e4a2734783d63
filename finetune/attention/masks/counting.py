"""Counting of a mask's allowed pairs, and of the keys that queries can reach, without the whole square in memory.

The square of queries and keys is cut into blocks, whose bounds (see `Bounds`) are computed first. A block that is not
possible counts nothing, a block that is certain counts its area, and the mask is evaluated in the other blocks alone,
a few at a time. So memory is bounded, and time grows with the number of blocks that the mask touches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from finetune.attention.masks.bounds import Span
from finetune.attention.masks.scope import Scope

if TYPE_CHECKING:
    from finetune.attention.masks.base import Mask

BLOCK = 64
"""Number of queries, and of keys, in a block."""
BLOCKS_AT_ONCE = 64
"""Number of blocks that are evaluated together: 64 * 64 * 64 pairs, whose integers fit the cache."""
BOUNDS_AT_ONCE = 2**16
"""Number of blocks whose bounds are computed together."""


def count(mask: Mask, scope: Scope, query_length: int, key_length: int) -> int:
    """Count the allowed pairs of a single example over all heads.

    Args:
        mask: Who may attend to whom.
        scope: The example, as `example_scope` returns it.
        query_length: Number of queries.
        key_length: Number of keys.

    Raises:
        MaskError: A column is missing, or the number of heads does not fit the mask.
    """
    heads = range(scope.num_heads)
    if mask.needs.by_head:
        masks = Counter((mask.at_head(head, scope.num_heads), head) for head in heads)
    else:
        masks = Counter({(mask, 0): scope.num_heads})
    # Heads with the same mask are counted once, unless the mask itself reads the number of the head.
    by_mask: Counter[tuple[Mask, int]] = Counter()
    for (head_mask, head), times in masks.items():
        by_mask[head_mask, head if head_mask.needs.by_head else 0] += times
    return sum(
        times * _count_head(head_mask, scope, head, query_length, key_length)
        for (head_mask, head), times in by_mask.items()
    )


def _count_head(mask: Mask, scope: Scope, head: int, query_length: int, key_length: int) -> int:
    closed = mask.closed_count(query_length, key_length)
    if closed is not None:
        return closed
    members = mask.alternatives()
    if len(members) == 1:
        return _count_blocks(mask, scope, head, query_length, key_length)
    # Each member may have a formula, and the pairs that several of them allow usually lie in few blocks.
    alone = sum(_count_head(member, scope, head, query_length, key_length) for member in members)
    return alone - _count_repeated(members, scope, head, query_length, key_length)


def _count_blocks(mask: Mask, scope: Scope, head: int, query_length: int, key_length: int) -> int:
    """Count the allowed pairs of one head block by block."""
    at_head = torch.tensor(head)
    total = 0
    for queries, keys in _blocks(query_length, key_length):
        bounds = mask.bounds(scope, at_head, queries, keys)  # [rows, columns], or what broadcasts to it
        total += int((_area(queries, keys) * bounds.certain).sum())
        for some in _portions(*_chosen(bounds.possible & ~bounds.certain, queries, keys)):
            q, k = _positions(*some)
            allowed = mask.allowed(scope, at_head, q, k) & (q < query_length) & (k < key_length)
            total += int(allowed.sum())
    return total


def _count_repeated(members: tuple[Mask, ...], scope: Scope, head: int, query_length: int, key_length: int) -> int:
    """Return by how much the sum of the members' own counts exceeds the count of their union.

    A pair that m members allow is counted m times in the sum of their counts, and once in the union: m - 1 times too
    often. The time is linear in the number of members.
    """
    at_head = torch.tensor(head)
    total = 0
    for queries, keys in _blocks(query_length, key_length):
        once = twice = torch.zeros((), dtype=torch.bool)  # whether a block is possible for one member, or for several
        for member in members:
            possible = member.bounds(scope, at_head, queries, keys).possible  # [rows, columns]
            once, twice = once | possible, twice | (once & possible)
        shared_queries, shared_keys = _chosen(twice, queries, keys)
        known, is_known = _known_repeated(members, scope, at_head, shared_queries, shared_keys)
        total += known
        for some in _portions(_select(shared_queries, ~is_known), _select(shared_keys, ~is_known)):
            total += _repeated_in(members, scope, at_head, *some, (query_length, key_length))
    return total


def _repeated_in(
    members: tuple[Mask, ...], scope: Scope, head: Tensor, queries: Span, keys: Span, lengths: tuple[int, int]
) -> int:
    """Return what `_count_repeated` returns, of a few blocks, in which each member is evaluated where it is unsure.

    Args:
        members: The masks.
        scope: The example.
        head: Number of the head, int64 without dimensions.
        queries: Spans [blocks].
        keys: Spans [blocks].
        lengths: Number of queries and number of keys of the example.
    """
    q, k = _positions(queries, keys)
    is_pair = (q < lengths[0]) & (k < lengths[1])
    seen = torch.zeros_like(is_pair)  # [blocks, BLOCK, BLOCK]
    total = 0
    for member in members:
        bounds = member.bounds(scope, head, queries, keys)
        certain = bounds.certain.expand(len(q)).nonzero().flatten()
        unsure = (bounds.possible & ~bounds.certain).expand(len(q)).nonzero().flatten()
        if len(certain):
            total += int((seen[certain] & is_pair[certain]).sum())
            seen[certain] = True
        if len(unsure):
            allowed = member.allowed(scope, head, q[unsure], k[unsure]) & is_pair[unsure]
            total += int((allowed & seen[unsure]).sum())
            seen[unsure] |= allowed
    return total


def _known_repeated(
    members: tuple[Mask, ...], scope: Scope, head: Tensor, queries: Span, keys: Span
) -> tuple[int, Tensor]:
    """Return what `_count_repeated` returns, of blocks in which each member allows all pairs or none.

    Args:
        members: The masks.
        scope: The example.
        head: Number of the head, int64 without dimensions.
        queries: Spans [blocks].
        keys: Spans [blocks].

    Returns:
        The number, and whether each block is such a block, bool [blocks].
    """
    possible, certain = torch.zeros_like(queries.first), torch.zeros_like(queries.first)  # numbers of members
    for member in members:
        bounds = member.bounds(scope, head, queries, keys)
        possible += bounds.possible
        certain += bounds.certain
    is_known = possible == certain
    return int((_area(queries, keys) * (certain - 1).clamp(min=0))[is_known].sum()), is_known


def _blocks(query_length: int, key_length: int) -> Iterator[tuple[Span, Span]]:
    """Yield rows of blocks: the spans of some blocks of queries [rows, 1] and of all blocks of keys [1, columns]."""
    keys = _spans(key_length)
    rows_at_once = max(1, BOUNDS_AT_ONCE // max(1, len(keys.first)))
    queries = _spans(query_length)
    for first, last in zip(*(torch.split(ends, rows_at_once) for ends in (queries.first, queries.last)), strict=True):
        if len(first) and len(keys.first):
            yield Span(first[:, None], last[:, None]), Span(keys.first[None], keys.last[None])


def _spans(length: int) -> Span:
    """Return the first and the last position of each block of a side with that many positions."""
    first = torch.arange(0, length, BLOCK)
    return Span(first, (first + BLOCK - 1).clamp(max=length - 1))


def _area(queries: Span, keys: Span) -> Tensor:
    """Return the number of pairs of each block, int64."""
    return (queries.last - queries.first + 1) * (keys.last - keys.first + 1)


def _chosen(chosen: Tensor, queries: Span, keys: Span) -> tuple[Span, Span]:
    """Return the spans of chosen blocks, of queries and of keys, [blocks] each.

    Args:
        chosen: bool, broadcastable to [rows, columns], the blocks.
        queries: Spans [rows, 1] of the blocks of queries.
        keys: Spans [1, columns] of the blocks of keys.
    """
    rows, columns = chosen.expand(len(queries.first), keys.first.shape[1]).nonzero().unbind(1)
    return Span(queries.first[rows, 0], queries.last[rows, 0]), Span(keys.first[0, columns], keys.last[0, columns])


def _select(spans: Span, chosen: Tensor) -> Span:
    return Span(spans.first[chosen], spans.last[chosen])


def _portions(queries: Span, keys: Span) -> Iterator[tuple[Span, Span]]:
    """Yield the spans [all blocks] of a few blocks at a time."""
    ends = queries.first, queries.last, keys.first, keys.last
    for first_q, last_q, first_k, last_k in zip(*(torch.split(each, BLOCKS_AT_ONCE) for each in ends), strict=True):
        yield Span(first_q, last_q), Span(first_k, last_k)


def _positions(queries: Span, keys: Span) -> tuple[Tensor, Tensor]:
    """Return the positions in blocks: of queries, int64 [blocks, BLOCK, 1], and of keys, int64 [blocks, 1, BLOCK].

    In the last block of a side, positions beyond its end are among them.
    """
    offset = torch.arange(BLOCK)
    return queries.first[:, None, None] + offset[:, None], keys.first[:, None, None] + offset


def key_ranges(mask: Mask, scope: Scope, queries: range, key_length: int) -> list[range]:
    """Return the keys that some neighbouring queries can possibly reach, as `Mask.key_ranges` describes.

    Args:
        mask: Who may attend to whom.
        scope: The example, as `example_scope` returns it.
        queries: Positions of queries, with step 1.
        key_length: Number of keys.

    Raises:
        MaskError: The number of heads does not fit the mask.
    """
    if not queries or not key_length:
        return []
    head = torch.arange(scope.num_heads)[:, None]  # [heads, 1]
    key = torch.arange(key_length)  # [keys]
    span = Span(torch.tensor(queries[0]), torch.tensor(queries[-1]))
    possible = mask.bounds(scope, head, span, Span(key, key)).possible
    reached = possible.expand(scope.num_heads, key_length).any(0)  # [keys]
    # A range begins where a key is reached and the one before it is not, and ends where the reverse is so.
    edges = torch.nn.functional.pad(reached.to(torch.int8), (1, 1)).diff().nonzero().flatten().tolist()
    return [range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
