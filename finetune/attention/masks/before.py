"""`before(column)`: a query attends to the keys with a lower number in a column: a text's earlier sentences, turns."""

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
class Before(Mask):
    """Mask that allows a pair where the value of a token column at k is below that at q.

    In cross-attention the value at q is that of the queries' column, and the value at k that of the keys' column.

    Args:
        column: Name of the token column.
    """

    name = "before"
    column: str

    @property
    def needs(self) -> Needs:
        """The token column."""
        return Needs(columns=frozenset({self.column}))

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return scope.key_feature(self.column, k) < scope.query_feature(self.column, q)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        query_range = scope.query_feature_range(self.column, queries)
        key_range = scope.key_feature_range(self.column, keys)
        if query_range is None or key_range is None:
            return unknown(queries, keys)
        return Bounds(key_range.first < query_range.last, key_range.last < query_range.first)


@register_mask
def before(column: str) -> Mask:
    """Let each query attend to the keys whose integer in a token column is lower than its own.

    Its own number is not among them: `same(column) | before(column)` is a causal mask of whole sentences. Special
    tokens have -1 in the columns `word` and `sentence`, so that they come before every word and sentence.

    Args:
        column: Name of the token column.

    Raises:
        MaskArgumentError: The column is not a str, or is empty.
    """
    return Before(arguments.column_name("before: column", column))
