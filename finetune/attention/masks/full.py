"""`full()` and `none()`: the masks that allow every pair, and no pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks.base import Mask
from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Full(Mask):
    """Mask that allows every pair."""

    name = "full"

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return q == q  # True, of the shape and on the device of q

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        possible = unknown(queries, keys).possible
        return Bounds(possible, possible)

    def closed_count(self, query_length: int, key_length: int) -> int:
        return query_length * key_length


@dataclass(frozen=True, repr=False)
class Nothing(Mask):
    """Mask that allows no pair."""

    name = "none"

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return q != q  # False, of the shape and on the device of q

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        certain = unknown(queries, keys).certain
        return Bounds(certain, certain)

    def closed_count(self, query_length: int, key_length: int) -> int:
        return 0


@register_mask
def full() -> Mask:
    """Let each query attend to all keys."""
    return Full()


@register_mask
def none() -> Mask:
    """Let no query attend to any key."""
    return Nothing()
