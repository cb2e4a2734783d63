"""`Mask`, the base class of all masks, and `Needs`, what must be given to evaluate one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.errors import MaskError
from finetune.attention.masks.text import write_argument

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from finetune.attention.masks.scope import ExampleFeatures, Scope
    from finetune.attention.masks.scored import ScoreTerm


MAX_DEPTH = 64
"""Number of levels to which masks may be nested, so that recursive functions stay below Python's recursion limit."""


@dataclass(frozen=True)
class Needs:
    """What must be known of the examples before a mask can be evaluated.

    Args:
        columns: Names of the token columns that the mask reads for queries, keys, or both.
        values: Names of the values of an example that the mask reads.
        length: Whether the mask of a pair can change when its example grows, as it does in generation.
        by_head: Whether the mask can differ between heads.
        heads: A number of which the number of heads must be a multiple.
    """

    columns: frozenset[str] = frozenset()
    values: frozenset[str] = frozenset()
    length: bool = False
    by_head: bool = False
    heads: int = 1

    @classmethod
    def together(cls, needs: Iterable[Needs]) -> Needs:
        """Return the needs of an expression from those of its parts."""
        every = list(needs)
        return cls(
            columns=frozenset().union(*(each.columns for each in every)),
            values=frozenset().union(*(each.values for each in every)),
            length=any(each.length for each in every),
            by_head=any(each.by_head for each in every),
            heads=math.lcm(*(each.heads for each in every)),
        )


_operators: dict[str, Callable[..., Mask]] = {}
"""The functions that build `a & b`, `a | b`, `~a` and `a + b`, by their symbols."""


def define_operators(builders: Mapping[str, Callable[..., Mask]]) -> None:
    """Set the functions that build expressions, by the symbols of their operators.

    They return subclasses of `Mask`, whose modules import this one and therefore cannot be imported here.
    """
    _operators.update(builders)


def check_depth(mask: Mask) -> Mask:
    """Return the mask.

    Raises:
        MaskError: The mask is nested more than `MAX_DEPTH` levels deep.
    """
    if mask.depth > MAX_DEPTH:
        raise MaskError(f"the mask is nested too deeply: masks may have {MAX_DEPTH} levels, this one has {mask.depth}")
    return mask


class Mask(ABC):
    """An expression that says who may attend to whom in one example; True means attend.

    A mask is immutable and hashable. Subclasses are frozen dataclasses whose fields are the arguments of the text
    form; `allowed` is the only method that they must define. To make a subclass known to the parser, apply
    `register_mask` to the function that builds it.

    Attributes:
        name: Name of the mask in text.
        needs: What must be known of the examples to evaluate the mask.
        depth: Number of levels of the expression.
        terms: The score terms, whose numbers are added to the scaled scores of allowed pairs; for most masks none.
    """

    name: ClassVar[str]
    terms: tuple[ScoreTerm, ...] = ()

    @property
    def needs(self) -> Needs:
        """What must be known of the examples before the mask can be evaluated."""
        return Needs()

    @property
    def depth(self) -> int:
        """Number of levels of the expression; 1 for a mask that is not made of other masks."""
        return 1

    @property
    def boolean(self) -> Mask:
        """The mask without score terms, which says who may attend to whom; for most masks the mask itself."""
        return self

    def with_boolean(self, mask: Mask) -> Mask:
        """Return another mask, which has no score terms, with those of this one.

        Raises:
            MaskError: The expression is nested too deeply.
        """
        return mask

    @abstractmethod
    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        """Return whether head `head` of the query at `q` may attend to the key at `k`, for each element.

        An implementation uses elementwise tensor operations alone, so that the same function serves one example, a
        padded batch, blocks of a ragged stream, and FlexAttention. At a position that does not exist in its example
        it may return either value: the layout excludes padding afterwards.

        Args:
            scope: The examples: lengths, columns and values.
            head: int64, numbers of heads, from 0.
            q: int64, positions of queries, from 0 in their own example.
            k: int64, positions of keys, from 0 in their own example.

        Returns:
            bool, broadcastable to the common shape of scope.example, head, q and k.

        Raises:
            MaskError: A column is missing, or the number of heads does not fit.
        """

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        """Return what is known of whole blocks of pairs without evaluating the mask in them.

        Where the scope lacks a column or a value that the mask reads, the block is unknown; this is not an error.

        Args:
            scope: The examples: lengths, columns and values.
            head: int64, numbers of heads, from 0.
            queries: The runs of queries of the blocks.
            keys: The runs of keys of the blocks.

        Returns:
            Bounds, broadcastable to the common shape of scope.example, head, queries and keys.
        """
        return unknown(queries, keys)

    def closed_count(self, query_length: int, key_length: int) -> int | None:
        """Return the number of allowed pairs of one head by a formula; None where there is no formula."""
        return None

    def alternatives(self) -> tuple[Mask, ...]:
        """Return the masks whose union this mask is: the members of an or; for other masks the mask itself."""
        return (self,)

    def at_head(self, head: int, num_heads: int) -> Mask:
        """Return the mask that one head obeys, in which no per_head remains.

        Args:
            head: Number of the head, from 0.
            num_heads: Number of attention heads.

        Raises:
            MaskError: The number of heads does not fit the mask.
        """
        return self

    def arguments(self) -> tuple[object, ...]:
        """Return the arguments that the text form shows."""
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
        """Evaluate the mask for all pairs of one example.

        Args:
            query_length: Number of queries.
            key_length: Number of keys; None in self-attention, where the keys are the queries.
            num_heads: Number of attention heads.
            features: Token columns of the queries, and values of the example.
            key_features: Token columns of the keys, and values of the example; in cross-attention only.
            device: Device on which the mask is evaluated.

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
        return self.boolean.allowed(scope, head, q, k).expand(num_heads, query_length, key_length).clone()

    def count(
        self,
        query_length: int,
        key_length: int | None = None,
        num_heads: int = 1,
        features: ExampleFeatures | None = None,
        key_features: ExampleFeatures | None = None,
    ) -> int:
        """Count the allowed pairs of one example over all heads: the sum of `dense`, without the square in memory.

        Args:
            query_length: Number of queries.
            key_length: Number of keys; None in self-attention, where the keys are the queries.
            num_heads: Number of attention heads.
            features: Token columns of the queries, and values of the example.
            key_features: Token columns of the keys, and values of the example; in cross-attention only.

        Raises:
            MaskError: A column is missing or of the wrong length, or the number of heads does not fit.
        """
        from finetune.attention.masks.counting import count
        from finetune.attention.masks.scope import example_scope

        scope = example_scope(query_length, key_length, num_heads, features, key_features)
        return count(self.boolean, scope, query_length, query_length if key_length is None else key_length)

    def key_ranges(
        self,
        queries: range,
        query_length: int,
        key_length: int | None = None,
        num_heads: int = 1,
        features: ExampleFeatures | None = None,
        key_features: ExampleFeatures | None = None,
    ) -> list[range]:
        """Return the keys that neighbouring queries can possibly reach in any head.

        Every key that is reached is among them. There may be others where `bounds` cannot exclude them: with columns
        that are not given, random keys, custom masks, and parts of an expression that exclude each other.

        Args:
            queries: Positions of queries, with step 1; an empty range reaches no key.
            query_length: Number of queries of the example.
            key_length: Number of keys; None in self-attention, where the keys are the queries.
            num_heads: Number of attention heads.
            features: Token columns of the queries, and values of the example.
            key_features: Token columns of the keys, and values of the example; in cross-attention only.

        Returns:
            Disjoint, ascending ranges of keys that do not touch.

        Raises:
            MaskError: A column has the wrong length, or the number of heads does not fit.
        """
        from finetune.attention.masks.counting import key_ranges
        from finetune.attention.masks.scope import example_scope

        scope = example_scope(query_length, key_length, num_heads, features, key_features)
        return key_ranges(self.boolean, scope, queries, query_length if key_length is None else key_length)

    def __and__(self, other: Mask) -> Mask:
        return _operators["&"](self, other) if isinstance(other, Mask) else NotImplemented

    def __or__(self, other: Mask) -> Mask:
        return _operators["|"](self, other) if isinstance(other, Mask) else NotImplemented

    def __add__(self, other: Mask) -> Mask:
        return _operators["+"](self, other) if isinstance(other, Mask) else NotImplemented

    def __invert__(self) -> Mask:
        return _operators["~"](self)

    def __bool__(self) -> bool:
        # Without this, `causal() and full()` would return full() with no error.
        raise TypeError("a mask is neither true nor false: write & for and, | for or, ~ for not")

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(write_argument, self.arguments()))})"

    def __repr__(self) -> str:
        return str(self)
