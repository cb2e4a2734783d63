"""`bias(column, value)`: a number is added to the score of a pair whose integers in a column are equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.registry import register_mask
from finetune.attention.masks.scored import ScoreTerm, scored

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class EqualityBias(ScoreTerm):
    """Term that adds a number where a token column has the same value at q and at k, and 0 elsewhere.

    In cross-attention the value at q is that of the queries' column, and the value at k that of the keys' column.

    Args:
        column: Name of the token column.
        value: The number.
    """

    name = "bias"
    column: str
    value: float

    @property
    def needs(self) -> Needs:
        """The token column."""
        return Needs(columns=frozenset({self.column}))

    def pair_scores(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return scope.query_feature(self.column, q) == scope.key_feature(self.column, k)

    def head_factors(self, num_heads: int) -> tuple[float, ...]:
        return (self.value,) * num_heads


@register_mask
def bias(column: str, value: float) -> Mask:
    """Favour, or disfavour, the keys whose integer in a token column equals that of the query.

    A value of log(2), about 0.7, doubles the weight of such a key beside that of the others; a negative value lowers
    it.

    Args:
        column: Name of the token column.
        value: The number that is added to the scaled score.

    Raises:
        MaskArgumentError: The column is not a str, or is empty; or the value is no number, or is out of range.
    """
    return scored(EqualityBias(arguments.column_name("bias: column", column), arguments.number("bias: value", value)))
