"""`causal()`: a query attends to its own position and to those before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks.base import Mask
from finetune.attention.masks.bounds import Bounds, Span
from finetune.attention.masks.diagonals import up_to_diagonal
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Causal(Mask):
    """Mask that allows a pair where k <= q."""

    name = "causal"

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return k <= q

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return Bounds(keys.first <= queries.last, keys.last <= queries.first)

    def closed_count(self, query_length: int, key_length: int) -> int:
        return up_to_diagonal(0, query_length, key_length)


@register_mask
def causal() -> Mask:
    """Let each query attend to its own position and to those before it."""
    return Causal()
