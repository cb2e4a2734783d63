"""`prefix(n)`, `prefix(column)`: all queries attend to the beginning of the example.

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
    """Mask that allows a pair where k < size.

    Args:
        size: A number, or the name of a value of the example.
    """

    name = "prefix"
    size: int | str

    @property
    def needs(self) -> Needs:
        """The value of the example, where the size is a name."""
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
    """Let all queries attend to the first keys of the example.

    Args:
        size: Number of keys, at least 0; or the name of a value that each example has, its own number of keys.

    Raises:
        MaskArgumentError: The size is neither an int nor a name, or is out of range.
    """
    if isinstance(size, str):
        return Prefix(arguments.column_name("prefix: size", size))
    return Prefix(arguments.integer("prefix: size", size, minimum=0))
