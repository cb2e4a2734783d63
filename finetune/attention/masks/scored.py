"""`mask + term`: a mask with score terms, numbers that are added to the scores of the pairs that the mask allows.

The scores of attention, after they were scaled and before the softmax, become `score + term + ...` (T5's relative bias
is added too). A term never excludes a pair, and a mask never changes a score: so who may attend to whom, counts and
bounds are those of the mask alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property, reduce
from typing import TYPE_CHECKING, ClassVar

from finetune.attention.masks.base import Mask, Needs, check_depth, define_operators
from finetune.attention.masks.bounds import Bounds, Span
from finetune.attention.masks.errors import MaskError
from finetune.attention.masks.full import Full
from finetune.attention.masks.operators import And, with_terms
from finetune.attention.masks.text import write_argument

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


class ScoreTerm(ABC):
    """A number for each pair of query and key, which is added to the scaled score of the pair before the softmax.

    The number is `head_factors(num_heads)[head] * pair_scores(scope, head, q, k)`. Subclasses are frozen dataclasses
    whose fields are the arguments of the text form. They are used as a part of a `ScoredMask`.

    Attributes:
        name: Name of the term in text.
        in_cross: Whether the term is defined in cross-attention.
    """

    name: ClassVar[str]
    in_cross: ClassVar[bool] = True

    @property
    def needs(self) -> Needs:
        """What must be known of the examples, and whether `pair_scores` reads the number of the head."""
        return Needs()

    @abstractmethod
    def pair_scores(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """Return the number of each pair, which is multiplied with the factor of the head.

        An implementation uses elementwise tensor operations alone, as `Mask.allowed` does.

        Args:
            scope: The examples: lengths, columns and values.
            head: int64, numbers of heads, from 0.
            q: int64, positions of queries, from 0 in their own example.
            k: int64, positions of keys, from 0 in their own example.

        Returns:
            Integers, booleans or finite floats, broadcastable to the common shape of scope.example, head, q and k.

        Raises:
            MaskError: A column is missing.
        """

    def head_factors(self, num_heads: int) -> tuple[float, ...]:
        """Return the factor of each head.

        Args:
            num_heads: Number of attention heads.
        """
        return (1.0,) * num_heads

    def __str__(self) -> str:
        arguments = (getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]
        return f"{self.name}({', '.join(map(write_argument, arguments))})"

    def __repr__(self) -> str:
        return str(self)


@dataclass(frozen=True, eq=False, repr=False)
class ScoredMask(Mask):
    """Mask whose allowed pairs get the numbers of score terms; use `of` or `+` to build one.

    All methods of `Mask` answer for the mask without its terms.

    Args:
        mask: Who may attend to whom; a mask without terms.
        terms: The score terms, at least one.
    """

    mask: Mask
    terms: tuple[ScoreTerm, ...] = field()

    @classmethod
    def of(cls, *members: Mask) -> Mask:
        """Return the sum of masks and score terms, of which at most one is a mask other than full().

        Raises:
            MaskError: Members are masks without scores, or the expression is nested too deeply.
        """
        return reduce(cls._add, members)

    @classmethod
    def _add(cls, first: Mask, second: Mask) -> Mask:
        if not first.terms and not second.terms:
            raise MaskError(
                f"+ adds scores to a mask, but {first} and {second} are both masks; write & for and, | for or"
            )
        terms = (*first.terms, *second.terms)
        masks = [mask.boolean for mask in (first, second) if mask.boolean != Full()]
        if len(masks) > 1:
            raise MaskError(
                f"a sum has one mask, but {masks[0]} and {masks[1]} are two; join them by & or |, as in "
                f"{with_terms(And.of(*masks), terms)}"
            )
        return check_depth(cls(masks[0] if masks else Full(), terms))

    @property
    def boolean(self) -> Mask:
        """The mask without its terms."""
        return self.mask

    def with_boolean(self, mask: Mask) -> Mask:
        return check_depth(ScoredMask(mask, self.terms))

    @property
    def needs(self) -> Needs:
        """The needs of the mask and of its terms."""
        return Needs.together([self.mask.needs, *(term.needs for term in self.terms)])

    @cached_property
    def depth(self) -> int:
        """Number of levels of the expression."""
        return 1 + self.mask.depth

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return self.mask.allowed(scope, head, q, k)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        return self.mask.bounds(scope, head, queries, keys)

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        return self.mask.closed_count(query_length, key_length)

    def at_head(self, head: int, num_heads: int) -> Mask:
        return ScoredMask(self.mask.at_head(head, num_heads), self.terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScoredMask) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[Mask, frozenset[tuple[ScoreTerm, int]]]:
        return self.mask, frozenset(Counter(self.terms).items())  # the order of terms does not matter

    def __str__(self) -> str:
        return with_terms(self.mask, self.terms)


def scored(term: ScoreTerm) -> Mask:
    """Return a term as an expression of its own, `full() + term`."""
    return ScoredMask(Full(), (term,))


def check_site(terms: Sequence[ScoreTerm], in_cross: bool) -> None:
    """Check that terms are defined at a site.

    Args:
        terms: The terms.
        in_cross: Whether the site is cross-attention.

    Raises:
        MaskError: A term is not defined in cross-attention.
    """
    for term in terms:
        if in_cross and not term.in_cross:
            raise MaskError(
                f"{term} is not defined in cross-attention: the query's position counts in the target and the key's in "
                "the source, so that their distance has no meaning; use it in the encoder or the decoder"
            )


define_operators({"+": ScoredMask.of})
