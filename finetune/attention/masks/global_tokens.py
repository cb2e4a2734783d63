"""`global_tokens(0, -1)`, `global_tokens(cls)`: a few tokens attend to all others, and all others to them.

Longformer (arXiv 2004.05150, section 3.1) and BigBird (arXiv 2007.14062, section 2) have such tokens. A name stands
for the tokens whose entry in the token column `is_<name>` is not 0; `special_token_columns` makes these columns for
special tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.errors import MaskArgumentError
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class GlobalTokens(Mask):
    """Mask that allows a pair where q or k is one of the tokens.

    Args:
        tokens: Positions, negative ones from the end of the example, and names of special tokens.
    """

    name = "global_tokens"
    tokens: tuple[int | str, ...]

    @property
    def needs(self) -> Needs:
        """The columns of the names; and the length, where a position counts from the end."""
        columns = frozenset(mark_column(token) for token in self.tokens if isinstance(token, str))
        return Needs(columns=columns, length=any(isinstance(token, int) and token < 0 for token in self.tokens))

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return reduce(lambda a, b: a | b, (_either(token, scope, q, k) for token in self.tokens))

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return reduce(lambda a, b: a | b, (_either_bounds(token, scope, queries, keys) for token in self.tokens))

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        if any(isinstance(token, str) for token in self.tokens):
            return None
        # A pair is excluded where both its query and its key are other tokens.
        queries, keys = (length - len(self._positions(length)) for length in (query_length, key_length))
        return query_length * key_length - queries * keys

    def arguments(self) -> tuple[object, ...]:
        """Return the tokens as arguments of their own."""
        return self.tokens

    def _positions(self, length: int) -> set[int]:
        """Return the positions of the tokens in an example of that length, from 0; those outside it are left out."""
        positions = {token + length if token < 0 else token for token in self.tokens if isinstance(token, int)}
        return {position for position in positions if 0 <= position < length}


@register_mask
def global_tokens(*tokens: int | str) -> Mask:
    """Let some tokens attend to all others, and all others to them.

    Args:
        *tokens: Positions, where negative ones count from the end of the example (-1 is the last token), and names of
            special tokens: "cls" for the tokens that the column "is_cls" marks.

    Raises:
        MaskArgumentError: There is no token, or one is neither an int nor a str, or is out of range.
    """
    if not tokens:
        raise MaskArgumentError("global_tokens needs at least one position or name of a special token", None)
    for token in tokens:
        if not isinstance(token, str):
            arguments.integer("global_tokens: a token", token, minimum=-arguments.LIMIT)
    return GlobalTokens(tuple(dict.fromkeys(tokens)))


def mark_column(token: str) -> str:
    """Return the name of the token column that marks a special token: "is_cls" for "cls"."""
    return f"is_{token}"


def _either(token: int | str, scope: Scope, q: Tensor, k: Tensor) -> Tensor:
    if isinstance(token, str):
        return (scope.query_feature(mark_column(token), q) != 0) | (scope.key_feature(mark_column(token), k) != 0)
    if token < 0:
        return (q == scope.query_length + token) | (k == scope.key_length + token)
    return (q == token) | (k == token)


def _either_bounds(token: int | str, scope: Scope, queries: Span, keys: Span) -> Bounds:
    if isinstance(token, str):
        query_marks = scope.query_feature_range(mark_column(token), queries)
        key_marks = scope.key_feature_range(mark_column(token), keys)
        if query_marks is None or key_marks is None:
            return unknown(queries, keys)
        return _nonzero(query_marks) | _nonzero(key_marks)
    if token < 0:
        return _at(queries, scope.query_length + token) | _at(keys, scope.key_length + token)
    return _at(queries, token) | _at(keys, token)


def _nonzero(marks: Span) -> Bounds:
    """Return the bounds of "the mark is not 0" from the least and greatest mark of each run."""
    all_zero = marks.single & (marks.first == 0)
    return Bounds(~all_zero, ~marks.holds(0))


def _at(span: Span, position: Tensor | int) -> Bounds:
    """Return the bounds of "the token is at this position" for each run."""
    held = span.holds(position)
    return Bounds(held, held & span.single)
