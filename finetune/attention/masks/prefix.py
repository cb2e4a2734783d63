"""`prefix(n)`, `prefix(column)`: everyone sees the beginning.

A prefix-LM is `causal() | prefix(n)` (T5, arXiv 1910.10683, section 3.2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Prefix(Mask):
    """Allowed when k < size, a number or the name of a value of the example."""

    name = "prefix"
    size: int | str

    @property
    def needs(self) -> Needs:
        """The example's value, where the size is one."""
        return Needs(values=frozenset({self.size})) if isinstance(self.size, str) else Needs()

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return k < self._size(scope)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        if isinstance(self.size, str) and self.size not in scope.values:
            return unknown(queries, keys)
        size = self._size(scope)
        return Bounds(keys.first < size, keys.last < size)

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        return None if isinstance(self.size, str) else query_length * min(self.size, key_length)

    def _size(self, scope: Scope) -> Tensor | int:
        return scope.example_value(self.size) if isinstance(self.size, str) else self.size


@register_mask
def prefix(size: int | str) -> Mask:
    """Everyone sees the first `size` keys: a number, or the name of a value that each example has."""
    if isinstance(size, str):
        return Prefix(arguments.column_name("prefix: size", size))
    return Prefix(arguments.integer("prefix: size", size, minimum=0))
