"""`global_tokens(0, -1)`, `global_tokens(cls)`: a few tokens attend to all others, and all others to them.

Longformer (arXiv 2004.05150, section 3.1) and BigBird (arXiv 2007.14062, section 2) have such tokens.
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
        return needs_of(self.tokens)

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        is_query = is_among(self.tokens, scope.queries, scope.example, q)
        return is_query | is_among(self.tokens, scope.keys, scope.example, k)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        of_queries = among_bounds(self.tokens, scope.queries, scope.example, queries)
        return of_queries | among_bounds(self.tokens, scope.keys, scope.example, keys)

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        queries, keys = (positions_in(self.tokens, length) for length in (query_length, key_length))
        if queries is None or keys is None:
            return None
        # A pair is excluded where both its query and its key are other tokens.
        return query_length * key_length - (query_length - len(queries)) * (key_length - len(keys))

    def arguments(self) -> tuple[object, ...]:
        """Return the tokens as arguments of their own."""
        return self.tokens


@register_mask
def global_tokens(*tokens: int | str) -> Mask:
    """Let some tokens attend to all others, and all others to them: `queries(*tokens) | keys(*tokens)`.

    Args:
        *tokens: Positions, where negative ones count from the end of the example (-1 is the last token), and names of
            special tokens: "cls" for the tokens that the column "is_cls" marks.

    Raises:
        MaskArgumentError: There is no token, or one is neither an int nor a str, or is out of range.
    """
    return GlobalTokens(check_tokens("global_tokens", tokens))
