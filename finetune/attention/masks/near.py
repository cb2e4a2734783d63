"""`near(column, n)`: a query attends to keys whose number in a column is at most n away: sentences, turns, segments."""

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

_LEAST, _GREATEST = -(2**63), 2**63 - 1
"""The range of int64, in which columns are."""


@dataclass(frozen=True, repr=False)
class Near(Mask):
    """Mask that allows a pair where the values of a token column at q and at k differ by at most `distance`.

    In cross-attention the value at q is that of the queries' column, and the value at k that of the keys' column.

    Args:
        column: Name of the token column.
        distance: The greatest difference that is allowed.
    """

    name = "near"
    column: str
    distance: int

    @property
    def needs(self) -> Needs:
        """The token column."""
        return Needs(columns=frozenset({self.column}))

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        here, there = scope.query_feature(self.column, q), scope.key_feature(self.column, k)
        return (there >= self._lowest(here)) & (there <= self._highest(here))

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        here = scope.query_feature_range(self.column, queries)
        there = scope.key_feature_range(self.column, keys)
        if here is None or there is None:
            return unknown(queries, keys)
        return Bounds(
            (there.last >= self._lowest(here.first)) & (there.first <= self._highest(here.last)),
            (there.first >= self._lowest(here.last)) & (there.last <= self._highest(here.first)),
        )

    def _lowest(self, value: Tensor) -> Tensor:
        """Return the lowest value that is near to each value; int64 would overflow without the clamp."""
        return value.clamp(min=_LEAST + self.distance) - self.distance

    def _highest(self, value: Tensor) -> Tensor:
        return value.clamp(max=_GREATEST - self.distance) + self.distance


@register_mask
def near(column: str, distance: int) -> Mask:
    """Let each query attend to the keys whose integer in a token column is at most `distance` away from its own.

    `near(column, 0)` is `same(column)`. Special tokens have -1 in the columns `word` and `sentence`, one below the
    first word or sentence.

    Args:
        column: Name of the token column.
        distance: The greatest difference that is allowed, at least 0.

    Raises:
        MaskArgumentError: The column is not a str, or is empty; or the distance is not an int, or is out of range.
    """
    arguments.column_name("near: column", column)
    return Near(column, arguments.integer("near: distance", distance, minimum=0))
