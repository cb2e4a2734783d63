"""`queries(0, -1)`, `keys(sep)`: a few tokens attend to all others, or all others attend to a few tokens.

They are the two halves of `global_tokens`, which is `queries(*tokens) | keys(*tokens)`. Under `~keys(sep)` nothing
attends to [SEP].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.bounds import Bounds, Span
from finetune.attention.masks.named_tokens import among_bounds, check_tokens, is_among, needs_of, positions_in
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class QueryTokens(Mask):
    """Mask that allows a pair where q is one of the tokens.

    Args:
        tokens: Positions, negative ones from the end of the example, and names of special tokens.
    """

    name = "queries"
    tokens: tuple[int | str, ...]

    @property
    def needs(self) -> Needs:
        """The columns of the names; and the length, where a position counts from the end."""
        return needs_of(self.tokens)

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return is_among(self.tokens, scope.queries, scope.example, q)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return among_bounds(self.tokens, scope.queries, scope.example, queries)

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        found = positions_in(self.tokens, query_length)
        return None if found is None else len(found) * key_length

    def arguments(self) -> tuple[object, ...]:
        """Return the tokens as arguments of their own."""
        return self.tokens


@dataclass(frozen=True, repr=False)
class KeyTokens(Mask):
    """Mask that allows a pair where k is one of the tokens.

    Args:
        tokens: Positions, negative ones from the end of the example, and names of special tokens.
    """

    name = "keys"
    tokens: tuple[int | str, ...]

    @property
    def needs(self) -> Needs:
        """The columns of the names; and the length, where a position counts from the end."""
        return needs_of(self.tokens)

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return is_among(self.tokens, scope.keys, scope.example, k)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return among_bounds(self.tokens, scope.keys, scope.example, keys)

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        found = positions_in(self.tokens, key_length)
        return None if found is None else query_length * len(found)

    def arguments(self) -> tuple[object, ...]:
        """Return the tokens as arguments of their own."""
        return self.tokens


@register_mask
def queries(*tokens: int | str) -> Mask:
    """Let some tokens attend to all others, and no other token attend to any.

    Args:
        *tokens: Positions, where negative ones count from the end of the example (-1 is the last token), and names of
            special tokens: "cls" for the tokens that the column "is_cls" marks.

    Raises:
        MaskArgumentError: There is no token, or one is neither an int nor a str, or is out of range.
    """
    return QueryTokens(check_tokens("queries", tokens))


@register_mask
def keys(*tokens: int | str) -> Mask:
    """Let all tokens attend to some tokens, and to no others; `~keys("sep")` hides the tokens that carry [SEP].

    Args:
        *tokens: Positions, where negative ones count from the end of the example (-1 is the last token), and names of
            special tokens: "sep" for the tokens that the column "is_sep" marks.

    Raises:
        MaskArgumentError: There is no token, or one is neither an int nor a str, or is out of range.
    """
    return KeyTokens(check_tokens("keys", tokens))
