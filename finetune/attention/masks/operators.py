"""`a & b`, `a | b` and `~a`, simplified when they are built.

Simplification removes members that change nothing (full() in an and, repetitions, double negation), and replaces an
expression that is the same for all pairs by none() or full() (an and with none(), a mask together with its negation).
It never reorders: members keep the order in which they were written. Equality ignores that order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import TYPE_CHECKING, ClassVar

from finetune.attention.masks.base import Mask, Needs, check_depth, define_operators
from finetune.attention.masks.bounds import Bounds, Span
from finetune.attention.masks.errors import MaskError
from finetune.attention.masks.full import Full, Nothing
from finetune.attention.masks.global_tokens import GlobalTokens

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope
    from finetune.attention.masks.scored import ScoreTerm


@dataclass(frozen=True, eq=False, repr=False)
class Junction(Mask):
    """Two or more masks under one associative, commutative operator; use `of` to build one.

    Args:
        members: The masks, none of which is of the same class.

    Attributes:
        symbol: The operator in text.
        neutral: The mask that changes nothing as a member.
        absorbing: The mask that the whole is as soon as it is a member.
    """

    symbol: ClassVar[str]
    neutral: ClassVar[Mask]
    absorbing: ClassVar[Mask]
    members: tuple[Mask, ...]

    @classmethod
    def of(cls, *members: Mask) -> Mask:
        """Return the simplified expression of the members under the operator.

        Raises:
            MaskError: A member has score terms, or the expression is nested too deeply.
        """
        if len(members) > 1:
            cls._refuse_terms(members)
        flat = dict.fromkeys(part for member in members for part in cls._parts(member) if part != cls.neutral)
        if cls.absorbing in flat or any(cls._negated(member, flat) for member in flat):
            return cls.absorbing
        if len(flat) < 2:
            return next(iter(flat), cls.neutral)
        return check_depth(cls(tuple(flat)))

    @classmethod
    def _parts(cls, mask: Mask) -> tuple[Mask, ...]:
        return mask.members if isinstance(mask, cls) else (mask,)

    @classmethod
    def _refuse_terms(cls, members: Sequence[Mask]) -> None:
        """Raise MaskError where a member has score terms, and show how the expression is written."""
        terms = [term for member in members for term in member.terms]
        if terms:
            # A term alone is full() + term; its full() is no mask that the user wrote.
            masks = [member.boolean for member in members if not member.terms or member.boolean != Full()]
            whole = with_terms(cls.of(*masks) if masks else Full(), terms)
            raise MaskError(f"{cls.symbol} joins masks, but {terms[0]} adds to the scores; write {whole}")

    @classmethod
    def _negated(cls, mask: Mask, members: dict[Mask, None]) -> bool:
        """Return whether `mask` is the negation of other members, so that the whole is the absorbing mask."""
        return isinstance(mask, Not) and all(part in members for part in cls._parts(mask.mask))

    @property
    def needs(self) -> Needs:
        """The needs of all members."""
        return Needs.together(member.needs for member in self.members)

    @cached_property
    def depth(self) -> int:
        """Number of levels of the expression."""
        return 1 + max(member.depth for member in self.members)

    def at_head(self, head: int, num_heads: int) -> Mask:
        return self.of(*(member.at_head(head, num_heads) for member in self.members))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Junction) and self.symbol == other.symbol and self._key() == other._key()

    def __hash__(self) -> int:
        return hash((self.symbol, self._key()))

    def _key(self) -> frozenset[Mask]:
        return frozenset(self.members)

    def _joined(self, loose: type[Junction] | tuple[()]) -> str:
        texts = (f"({member})" if isinstance(member, loose) else str(member) for member in self.members)
        return f" {self.symbol} ".join(texts)


@dataclass(frozen=True, eq=False, repr=False)
class And(Junction):
    """Mask that allows the pairs that all members allow."""

    symbol = "&"
    neutral = Full()
    absorbing = Nothing()

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return reduce(lambda a, b: a & b, (member.allowed(scope, head, q, k) for member in self.members))

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return reduce(lambda a, b: a & b, (member.bounds(scope, head, queries, keys) for member in self.members))

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        negated = [member.mask for member in self.members if isinstance(member, Not)]
        if len(negated) < len(self.members):
            return None
        excluded = Or.of(*negated).closed_count(query_length, key_length)  # ~a & ~b excludes the pairs of a | b
        return None if excluded is None else query_length * key_length - excluded

    def __str__(self) -> str:
        return self._joined(loose=Or)


@dataclass(frozen=True, eq=False, repr=False)
class Or(Junction):
    """Mask that allows the pairs that at least one member allows."""

    symbol = "|"
    neutral = Nothing()
    absorbing = Full()

    def alternatives(self) -> tuple[Mask, ...]:
        """Return the members; global tokens of all members are those of one mask, whose pairs a formula counts."""
        tokens = [token for member in self.members if isinstance(member, GlobalTokens) for token in member.tokens]
        positions = tuple(dict.fromkeys(token for token in tokens if isinstance(token, int)))
        names = tuple(dict.fromkeys(token for token in tokens if isinstance(token, str)))
        others = (member for member in self.members if not isinstance(member, GlobalTokens))
        return (*others, *(GlobalTokens(each) for each in (positions, names) if each))

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        alternatives = self.alternatives()
        return alternatives[0].closed_count(query_length, key_length) if len(alternatives) == 1 else None

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return reduce(lambda a, b: a | b, (member.allowed(scope, head, q, k) for member in self.members))

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return reduce(lambda a, b: a | b, (member.bounds(scope, head, queries, keys) for member in self.members))

    def __str__(self) -> str:
        return self._joined(loose=())


@dataclass(frozen=True, repr=False)
class Not(Mask):
    """Mask that allows the pairs that another mask does not allow; use `of` to build one.

    Args:
        mask: The other mask.
    """

    mask: Mask

    @classmethod
    def of(cls, mask: Mask) -> Mask:
        """Return the simplified negation of a mask.

        Raises:
            MaskError: The mask has score terms, or the expression is nested too deeply.
        """
        if mask.terms:
            raise MaskError(
                f"~ is the opposite of a mask, but {mask.terms[0]} adds to the scores, which has no opposite; write "
                f"~ before the mask alone, as in ~window(2) + {mask.terms[0]}"
            )
        if isinstance(mask, Not):
            return mask.mask
        if isinstance(mask, Full | Nothing):
            return Nothing() if isinstance(mask, Full) else Full()
        return check_depth(cls(mask))

    @property
    def needs(self) -> Needs:
        """The needs of the other mask."""
        return self.mask.needs

    @cached_property
    def depth(self) -> int:
        """Number of levels of the expression."""
        return 1 + self.mask.depth

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return ~self.mask.allowed(scope, head, q, k)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return ~self.mask.bounds(scope, head, queries, keys)

    def at_head(self, head: int, num_heads: int) -> Mask:
        return self.of(self.mask.at_head(head, num_heads))

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        count = self.mask.closed_count(query_length, key_length)
        return None if count is None else query_length * key_length - count

    def __str__(self) -> str:
        return f"~({self.mask})" if isinstance(self.mask, Junction) else f"~{self.mask}"


def with_terms(mask: Mask, terms: Sequence[ScoreTerm]) -> str:
    """Return the text of a mask with score terms; + binds tighter than & and |, as in Python."""
    text = f"({mask})" if isinstance(mask, Junction) else str(mask)
    return " + ".join([text, *map(str, terms)])


define_operators({"&": And.of, "|": Or.of, "~": Not.of})
