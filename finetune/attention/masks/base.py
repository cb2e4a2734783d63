"""`Mask`: what every mask of the language can do."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.text import write_argument

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from finetune.attention.masks.scope import ExampleFeatures, Scope


@dataclass(frozen=True)
class Needs:
    """What must be known of examples before a mask can be evaluated.

    Args:
        columns: Token columns, read on the side of the queries, of the keys, or both.
        values: Values of the example.
        length: Whether the answer for a pair can change when its example grows, as in generation.
        by_head: Whether the answer can differ between heads.
        heads: The number of heads must be a multiple of this.
    """

    columns: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    length: bool = False
    by_head: bool = False
    heads: int = 1

    @classmethod
    def together(cls, needs: Iterable[Needs]) -> Needs:
        """The needs of several masks as one."""
        every = list(needs)
        return cls(
            columns=frozenset().union(*(each.columns for each in every)),
            values=frozenset().union(*(each.values for each in every)),
            length=any(each.length for each in every),
            by_head=any(each.by_head for each in every),
            heads=math.lcm(*(each.heads for each in every)),
        )


_operators: dict[str, Callable[..., Mask]] = {}
"""What builds `a & b`, `a | b` and `~a`."""


def define_operators(
    *, conjunction: Callable[..., Mask], disjunction: Callable[..., Mask], negation: Callable[..., Mask]
) -> None:
    """Tell `Mask` how its operators are built; their classes are subclasses of `Mask` and cannot be imported here."""
    _operators.update({"&": conjunction, "|": disjunction, "~": negation})


class Mask(ABC):
    """Who may attend to whom in one example; True means attend.

    A mask is an immutable, hashable expression. Subclasses are frozen dataclasses whose fields are the arguments
    of the text form; `allowed` is all that they must define. A subclass is made known to the parser by
    `register_mask`, applied to the function that builds it.

    Attributes:
        name: What the mask is called in text.
        needs: What must be known of examples to evaluate it.
    """

    name: ClassVar[str]

    @property
    def needs(self) -> Needs:
        """What must be known of examples before the mask can be evaluated."""
        return Needs()

    @abstractmethod
    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """Whether head `head` of the query at `q` may attend to the key at `k`, element by element.

        Only elementwise tensor operations, so that the same predicate serves one example, a padded batch, blocks
        of a ragged stream and FlexAttention. Where a position does not exist in its example the answer is
        arbitrary: it is the layout that excludes padding.

        Args:
            scope: The examples: lengths, columns and values.
            head: int64, heads from 0.
            q: int64, positions of queries, from 0 in their own example.
            k: int64, positions of keys, from 0 in their own example.

        Returns:
            bool, broadcastable to the common shape of scope.example, head, q and k.

        Raises:
            MaskError: A column is missing, or the number of heads does not fit.
        """

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        """What can be said of blocks of pairs without evaluating them; see `Bounds`.

        Columns and values that the scope lacks are unknown here, not errors.
        """
        return unknown(queries, keys)

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        """Allowed pairs of one head by a formula, or None where there is none."""
        return None

    def alternatives(self) -> tuple[Mask, ...]:
        """The masks of which at least one must allow a pair; the mask alone unless it is an or of several."""
        return (self,)

    def at_head(self, head: int, num_heads: int) -> Mask:
        """The mask that this one head obeys, free of per_head. Raises MaskError where num_heads does not fit."""
        return self

    def arguments(self) -> tuple[object, ...]:
        """The arguments in the text form."""
        return tuple(getattr(self, field.name) for field in fields(self))  # type: ignore[arg-type]

    def dense(
        self,
        query_length: int,
        key_length: int | None = None,
        num_heads: int = 1,
        features: ExampleFeatures | None = None,
        key_features: ExampleFeatures | None = None,
        device: torch.device | str | None = None,
    ) -> Tensor:
        """The whole mask of one example; the arguments are those of `example_scope`.

        Returns:
            bool [num_heads, query_length, key_length].

        Raises:
            MaskError: A column is missing or of the wrong length, or the number of heads does not fit.
        """
        import torch

        from finetune.attention.masks.scope import example_scope

        scope = example_scope(query_length, key_length, num_heads, features, key_features, device)
        key_length = query_length if key_length is None else key_length
        head = torch.arange(num_heads, device=device)[:, None, None]  # [heads, 1, 1]
        q = torch.arange(query_length, device=device)[:, None]  # [queries, 1]
        k = torch.arange(key_length, device=device)  # [keys]
        return self.allowed(scope, head, q, k).expand(num_heads, query_length, key_length).clone()

    def count(
        self,
        query_length: int,
        key_length: int | None = None,
        num_heads: int = 1,
        features: ExampleFeatures | None = None,
        key_features: ExampleFeatures | None = None,
    ) -> int:
        """Allowed pairs of one example over all heads: the sum of `dense`, without ever holding the square."""
        from finetune.attention.masks.counting import count
        from finetune.attention.masks.scope import example_scope

        scope = example_scope(query_length, key_length, num_heads, features, key_features)
        return count(self, scope, query_length, query_length if key_length is None else key_length)

    def key_ranges(
        self,
        queries: range,
        query_length: int,
        key_length: int | None = None,
        num_heads: int = 1,
        features: ExampleFeatures | None = None,
        key_features: ExampleFeatures | None = None,
    ) -> list[range]:
        """The keys that these neighbouring queries can possibly reach, in any head.

        Never too few, and too many only where `bounds` cannot tell: columns that are not given, random keys,
        custom masks, and parts of an expression that exclude each other.

        Args:
            queries: Positions of queries, with step 1; an empty range reaches nothing.
            query_length: As in `dense`, like all that follow.
            key_length: See there.
            num_heads: See there.
            features: See there.
            key_features: See there.

        Returns:
            Disjoint, ascending ranges of keys that do not touch.
        """
        from finetune.attention.masks.counting import key_ranges
        from finetune.attention.masks.scope import example_scope

        scope = example_scope(query_length, key_length, num_heads, features, key_features)
        return key_ranges(self, scope, queries, query_length if key_length is None else key_length)

    def __and__(self, other: Mask) -> Mask:
        return _operators["&"](self, other) if isinstance(other, Mask) else NotImplemented

    def __or__(self, other: Mask) -> Mask:
        return _operators["|"](self, other) if isinstance(other, Mask) else NotImplemented

    def __invert__(self) -> Mask:
        return _operators["~"](self)

    def __bool__(self) -> bool:
        raise TypeError("a mask is neither true nor false: write & for and, | for or, ~ for not")

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(write_argument, self.arguments()))})"

    def __repr__(self) -> str:
        return str(self)
