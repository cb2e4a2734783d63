"""`blocks(size)`: a query attends to its own block (blockwise attention, arXiv 1911.02972)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask
from finetune.attention.masks.bounds import Bounds, Span
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Blocks(Mask):
    """Mask that allows a pair where q // size == k // size."""

    name = "blocks"
    size: int

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return q // self.size == k // self.size

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return equality(
            Span(queries.first // self.size, queries.last // self.size),
            Span(keys.first // self.size, keys.last // self.size),
        )

    def closed_count(self, query_length: int, key_length: int) -> int:
        whole = min(query_length, key_length) // self.size  # blocks that are complete on both sides
        queries, keys = (min(self.size, length - whole * self.size) for length in (query_length, key_length))
        return whole * self.size**2 + queries * keys


@register_mask
def blocks(size: int) -> Mask:
    """Let each query attend to the keys of its own block.

    Args:
        size: Number of positions in a block, at least 1; the first block begins at position 0.

    Raises:
        MaskArgumentError: The size is not an int, or is out of range.
    """
    return Blocks(arguments.integer("blocks: size", size, minimum=1))


def equality(queries: Span, keys: Span) -> Bounds:
    """Return the bounds of "the value is the same on both sides".

    Args:
        queries: The least and greatest value in each run of queries.
        keys: The least and greatest value in each run of keys.
    """
    overlap = (queries.first <= keys.last) & (keys.first <= queries.last)
    return Bounds(overlap, overlap & queries.single & keys.single)
