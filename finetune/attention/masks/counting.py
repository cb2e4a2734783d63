"""Allowed pairs of a mask, and the keys it can reach, without its whole square.

The square is walked in blocks: one that is not possible counts nothing, one that is certain counts its area, and
only the others are evaluated, a few at a time. Memory is bounded; time follows the blocks that a mask touches.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from finetune.attention.masks.bounds import Span
from finetune.attention.masks.scope import Scope

if TYPE_CHECKING:
    from finetune.attention.masks.base import Mask

BLOCK = 64
"""Queries, and keys, of a block."""
BLOCKS_AT_ONCE = 64
"""Blocks evaluated together: 64 * 64 * 64 pairs."""
BOUNDS_AT_ONCE = 2**16
"""Blocks whose bounds are computed together."""


def count(mask: Mask, scope: Scope, query_length: int, key_length: int) -> int:
    """Allowed pairs of the scope's one example, over all heads. Raises MaskError as `Mask.allowed` does."""
    heads = range(scope.num_heads)
    if mask.needs.by_head:
        masks = Counter((mask.at_head(head, scope.num_heads), head) for head in heads)
    else:
        masks = Counter({(mask, 0): scope.num_heads})
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
    first, *others = mask.alternatives()
    if others:
        # |a or b| = |a| + |b| - |a and b|: each may have a formula, and together they touch few blocks.
        rest = reduce(or_, others)
        both = _count_blocks(first & rest, scope, head, query_length, key_length)
        parts = (_count_head(part, scope, head, query_length, key_length) for part in (first, rest))
        return sum(parts) - both
    return _count_blocks(mask, scope, head, query_length, key_length)


def _count_blocks(mask: Mask, scope: Scope, head: int, query_length: int, key_length: int) -> int:
    at_head = torch.tensor(head)
    total = 0
    for queries, keys in _blocks(query_length, key_length):
        bounds = mask.bounds(scope, at_head, queries, keys)
        area = (queries.last - queries.first + 1) * (keys.last - keys.first + 1)
        total += int((area * bounds.certain).sum())
        open_blocks = (bounds.possible & ~bounds.certain).expand(len(queries.first), keys.first.shape[1]).nonzero()
        for chunk in torch.split(open_blocks, BLOCKS_AT_ONCE):
            rows, columns = chunk.unbind(1)
            q = _positions(queries.first[rows, 0])[:, :, None]  # [blocks, BLOCK, 1]
            k = _positions(keys.first[0, columns])[:, None, :]  # [blocks, 1, BLOCK]
            allowed = mask.allowed(scope, at_head, q, k) & (q < query_length) & (k < key_length)
            total += int(allowed.sum())
    return total


def _blocks(query_length: int, key_length: int) -> Iterator[tuple[Span, Span]]:
    """Rows of blocks: query spans [rows, 1] and all key spans [1, columns]."""
    keys = _spans(key_length)
    rows_at_once = max(1, BOUNDS_AT_ONCE // max(1, len(keys.first)))
    queries = _spans(query_length)
    for first, last in zip(*(torch.split(ends, rows_at_once) for ends in (queries.first, queries.last)), strict=True):
        if len(first) and len(keys.first):
            yield Span(first[:, None], last[:, None]), Span(keys.first[None], keys.last[None])


def _spans(length: int) -> Span:
    first = torch.arange(0, length, BLOCK)
    return Span(first, (first + BLOCK - 1).clamp(max=length - 1))


def _positions(first: Tensor) -> Tensor:
    return first[:, None] + torch.arange(BLOCK)


def key_ranges(mask: Mask, scope: Scope, queries: range, key_length: int) -> list[range]:
    """See `Mask.key_ranges`."""
    if not queries or not key_length:
        return []
    head = torch.arange(scope.num_heads)[:, None]  # [heads, 1]
    key = torch.arange(key_length)
    span = Span(torch.tensor(queries[0]), torch.tensor(queries[-1]))
    possible = mask.bounds(scope, head, span, Span(key, key)).possible
    reached = possible.expand(scope.num_heads, key_length).any(0)
    edges = torch.nn.functional.pad(reached.to(torch.int8), (1, 1)).diff().nonzero().flatten().tolist()
    return [range(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True)]
