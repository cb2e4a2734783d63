"""`global_tokens(0, -1)`, `global_tokens(cls)`: a few tokens see everything and are seen by everyone.

Longformer (arXiv 2004.05150, section 3.1) and BigBird (arXiv 2007.14062, section 2). A name stands for the tokens
marked in the token column `is_<name>`; `special_token_columns` makes those columns for special tokens.
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
    """Allowed when q or k is one of the tokens: positions (negative ones from the end) or marked ones."""

    name = "global_tokens"
    tokens: tuple[int | str, ...]

    @property
    def needs(self) -> Needs:
        """The marks; and the length, where positions count from the end."""
        columns = frozenset(mark_column(token) for token in self.tokens if isinstance(token, str))
        return Needs(columns=columns, length=any(isinstance(token, int) and token < 0 for token in self.tokens))

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return reduce(lambda a, b: a | b, (_either(token, scope, q, k) for token in self.tokens))

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return reduce(lambda a, b: a | b, (_either_bounds(token, scope, queries, keys) for token in self.tokens))

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        if any(isinstance(token, str) for token in self.tokens):
            return None
        others = (length - len(self._positions(length)) for length in (query_length, key_length))
        return query_length * key_length - next(others) * next(others)

    def arguments(self) -> tuple[object, ...]:
        """The tokens, one by one."""
        return self.tokens

    def _positions(self, length: int) -> set[int]:
        positions = {token + length if token < 0 else token for token in self.tokens if isinstance(token, int)}
        return {position for position in positions if 0 <= position < length}


@register_mask
def global_tokens(*tokens: int | str) -> Mask:
    """Tokens that see everything and are seen by everyone: positions, or the names of special tokens."""
    if not tokens:
        raise MaskArgumentError("global_tokens needs at least one position or name of a special token", None)
    for token in tokens:
        if not isinstance(token, str):
            arguments.integer("global_tokens: a token", token)
    return GlobalTokens(tuple(dict.fromkeys(tokens)))


def mark_column(token: str) -> str:
    """The token column that marks a special token: "cls" -> "is_cls"."""
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
    all_zero = marks.single & (marks.first == 0)
    return Bounds(~all_zero, ~marks.holds(0))


def _at(span: Span, position: Tensor | int) -> Bounds:
    held = span.holds(position)
    return Bounds(held, held & span.single)
