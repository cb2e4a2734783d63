"""`same(column)`: a query sees keys that carry the same number: segment, word, sentence, entity."""

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
    """Allowed when the token column is equal at q and k, each on its own side."""

    name = "same"
    column: str

    @property
    def needs(self) -> Needs:
        """The column."""
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
    """A query sees the keys whose integer in `column` equals its own."""
    return Same(arguments.column_name("same: column", column))
