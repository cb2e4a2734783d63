"""`same(column)`: a query attends to the keys with the same number in a column: segment, word, sentence, entity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.blocks import equality
from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Same(Mask):
    """Mask that allows a pair where a token column has the same value at q and at k.

    In cross-attention the value at q is that of the queries' column, and the value at k that of the keys' column.

    Args:
        column: Name of the token column.
    """

    name = "same"
    column: str

    @property
    def needs(self) -> Needs:
        """The token column."""
        return Needs(columns=frozenset({self.column}))

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return scope.query_feature(self.column, q) == scope.key_feature(self.column, k)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        query_range = scope.query_feature_range(self.column, queries)
        key_range = scope.key_feature_range(self.column, keys)
        if query_range is None or key_range is None:
            return unknown(queries, keys)
        return equality(query_range, key_range)


@register_mask
def same(column: str) -> Mask:
    """Let each query attend to the keys whose integer in a token column equals its own.

    Args:
        column: Name of the token column.

    Raises:
        MaskArgumentError: The column is not a str, or is empty.
    """
    return Same(arguments.column_name("same: column", column))
