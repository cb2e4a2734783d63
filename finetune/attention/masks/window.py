"""`window(r)`, `window(left, right)`: a query attends to its neighbours (Longformer, arXiv 2004.05150, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask
from finetune.attention.masks.bounds import Bounds, Span, distance
from finetune.attention.masks.diagonals import up_to_diagonal
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Window(Mask):
    """Mask that allows a pair where q - left <= k <= q + right."""

    name = "window"
    left: int
    right: int

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (q - k <= self.left) & (k - q <= self.right)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        ahead = distance(queries, keys)
        return Bounds(
            (ahead.last >= -self.left) & (ahead.first <= self.right),
            (ahead.first >= -self.left) & (ahead.last <= self.right),
        )

    def closed_count(self, query_length: int, key_length: int) -> int:
        inside = up_to_diagonal(self.right, query_length, key_length)
        return inside - up_to_diagonal(-self.left - 1, query_length, key_length)

    def arguments(self) -> tuple[object, ...]:
        """Return one number where both sides are equal, else two."""
        return (self.left,) if self.left == self.right else (self.left, self.right)


@register_mask
def window(left: int, right: int | None = None) -> Mask:
    """Let each query attend to its own position and to its neighbours.

    Args:
        left: Number of keys before the query, at least 0.
        right: Number of keys after the query, at least 0; as many as before it if not given.

    Raises:
        MaskArgumentError: An argument is not an int, or is out of range.
    """
    arguments.integer("window: left", left, minimum=0)
    return Window(left, left if right is None else arguments.integer("window: right", right, minimum=0))
