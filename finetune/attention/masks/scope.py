"""`Scope`: what a mask can read of the examples in which it is evaluated: lengths, token columns and values.

The same class describes one example, a padded batch and a ragged stream. Tokens of all examples lie in flat columns,
`starts` says where each example begins in them, and `example` says which example each element of the mask belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from finetune.attention.masks.bounds import Span
from finetune.attention.masks.errors import MaskError, MissingColumn

ExampleFeatures = Mapping[str, Sequence[int] | Tensor | int]
"""Features of one example by name: a sequence is a token column, with one integer for each token; a single integer is
a value of the example."""


@dataclass(frozen=True, eq=False)
class AttentionSide:
    """The tokens on one side of attention: those of the queries, or those of the keys.

    Args:
        starts: int64 [examples], index in the flat columns of the first token of each example.
        lengths: int64 [examples], number of tokens of each example.
        columns: name -> int64 [tokens], one integer for each token.
    """

    starts: Tensor
    lengths: Tensor
    columns: Mapping[str, Tensor]
    _tables: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def feature(self, name: str, example: Tensor, position: Tensor) -> Tensor:
        """Return the values of a token column at positions of examples.

        Args:
            name: Name of the column.
            example: int64, the example of each element.
            position: int64, broadcastable with `example`, the position of each element in its example.

        Returns:
            int64 of the common shape; an arbitrary value where a position does not exist in its example.

        Raises:
            MissingColumn: There is no such column.
        """
        if name not in self.columns:
            raise MissingColumn("token column", name, self.columns)
        column = _never_empty(self.columns[name])
        return column[(self.starts[example] + position).clamp(0, len(column) - 1)]

    def feature_range(self, name: str, example: Tensor, span: Span) -> Span | None:
        """Return the least and greatest value of a token column in runs of positions.

        Args:
            name: Name of the column.
            example: int64, the example of each run.
            span: The runs, broadcastable with `example`.

        Returns:
            The values as a span of the common shape; None where there is no such column.
        """
        if name not in self.columns:
            return None
        if name not in self._tables:
            column = _never_empty(self.columns[name])
            self._tables[name] = (_range_table(column, torch.minimum), _range_table(column, torch.maximum))
        lowest, highest = self._tables[name]  # each [levels, tokens]
        start = self.starts[example]
        first = (start + span.first).clamp(0, lowest.shape[1] - 1)
        last = (start + span.last).clamp(0, lowest.shape[1] - 1)
        # Two runs of 2**level values, one from the beginning and one up to the end, cover the whole run; they may
        # overlap, which changes neither a minimum nor a maximum.
        level = (last - first + 1).double().log2().long()
        second = last - 2**level + 1
        return Span(
            torch.minimum(lowest[level, first], lowest[level, second]),
            torch.maximum(highest[level, first], highest[level, second]),
        )


def _never_empty(column: Tensor) -> Tensor:
    """Return the column, or one of a single 0 where there is no token, so that any index can be clamped into it."""
    return column if len(column) else column.new_zeros(1)


def _range_table(column: Tensor, merge: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return a sparse table [levels, tokens]: entry (level, i) is the minimum or maximum of 2**level values from i on.

    Args:
        column: int64 [tokens].
        merge: torch.minimum or torch.maximum.
    """
    levels = [column]
    while 2 ** len(levels) <= len(column):
        half = 2 ** (len(levels) - 1)
        shifted = torch.cat([levels[-1][half:], levels[-1][-1:].expand(half)])
        levels.append(merge(levels[-1], shifted))
    return torch.stack(levels)


@dataclass(frozen=True, eq=False)
class Scope:
    """The examples in which a mask is evaluated.

    Args:
        queries: The tokens of the queries.
        keys: The tokens of the keys; the same object in self-attention.
        example: int64, the example that each element belongs to, broadcastable with heads, queries and keys.
        num_heads: Number of attention heads.
        values: name -> int64 [examples], one integer for each example.
    """

    queries: AttentionSide
    keys: AttentionSide
    example: Tensor
    num_heads: int
    values: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def query_length(self) -> Tensor:
        """Number of queries of each element's example, int64."""
        return self.queries.lengths[self.example]

    @property
    def key_length(self) -> Tensor:
        """Number of keys of each element's example, int64."""
        return self.keys.lengths[self.example]

    def query_feature(self, name: str, q: Tensor) -> Tensor:
        """Return the values of a token column at positions of queries, int64.

        Raises:
            MissingColumn: The queries have no such column.
        """
        return self.queries.feature(name, self.example, q)

    def key_feature(self, name: str, k: Tensor) -> Tensor:
        """Return the values of a token column at positions of keys, int64.

        Raises:
            MissingColumn: The keys have no such column.
        """
        return self.keys.feature(name, self.example, k)

    def query_feature_range(self, name: str, queries: Span) -> Span | None:
        """Return the least and greatest value of a column in runs of queries; None where they have no such column."""
        return self.queries.feature_range(name, self.example, queries)

    def key_feature_range(self, name: str, keys: Span) -> Span | None:
        """Return the least and greatest value of a column in runs of keys; None where they have no such column."""
        return self.keys.feature_range(name, self.example, keys)

    def example_value(self, name: str) -> Tensor:
        """Return the value of that name of each element's example, int64.

        Raises:
            MissingColumn: The examples have no such value.
        """
        if name not in self.values:
            raise MissingColumn("example's value", name, self.values)
        return self.values[name][self.example]


def example_scope(
    query_length: int,
    key_length: int | None = None,
    num_heads: int = 1,
    features: ExampleFeatures | None = None,
    key_features: ExampleFeatures | None = None,
    device: torch.device | str | None = None,
) -> Scope:
    """Return the scope of a single example.

    Args:
        query_length: Number of queries.
        key_length: Number of keys; None in self-attention, where the keys are the queries.
        num_heads: Number of attention heads.
        features: Token columns of the queries, and values of the example.
        key_features: Token columns of the keys, and values of the example; in cross-attention only.
        device: Device on which masks are evaluated.

    Raises:
        MaskError: A length is negative, a column has another length, or holds anything but integers of 64 bits.
    """
    if key_length is None and key_features is not None:
        raise MaskError("key_features are those of cross-attention: give key_length too")
    queries, values = _side(query_length, features or {}, device)
    if key_length is None:
        keys = queries
    else:
        keys, key_values = _side(key_length, key_features or {}, device)
        values = values | key_values
    return Scope(queries, keys, torch.zeros((), dtype=torch.int64, device=device), num_heads, values)


def _side(
    length: int, features: ExampleFeatures, device: torch.device | str | None
) -> tuple[AttentionSide, dict[str, Tensor]]:
    """Return the tokens of one side, and the values among the features."""
    if length < 0:
        raise MaskError(f"a length cannot be negative, got {length}")
    columns, values = {}, {}
    for name, given in features.items():
        column = integers(name, given, device)
        if column.ndim == 0:
            values[name] = column[None]
        elif column.shape == (length,):
            columns[name] = column
        else:
            raise MaskError(f"column {name!r} has shape {list(column.shape)}, but there are {length} tokens")
    starts = torch.zeros(1, dtype=torch.int64, device=device)
    return AttentionSide(starts, starts + length, columns), values


def integers(name: str, given: Sequence[int] | Tensor | int, device: torch.device | str | None) -> Tensor:
    """Return a column or a value as an int64 tensor.

    Args:
        name: What the error message calls it.
        given: Integers or booleans.
        device: Device of the tensor.

    Raises:
        MaskError: It holds anything but integers of 64 bits or booleans.
    """
    try:
        column = torch.as_tensor(given, device=device)
    except (OverflowError, RuntimeError, TypeError, ValueError) as error:  # torch raises all of these
        raise MaskError(f"column {name!r} must hold integers of 64 bits: {error}") from error
    if column.numel() and (column.is_floating_point() or column.is_complex()):
        raise MaskError(f"column {name!r} must hold integers, got {column.dtype}")
    return column.to(torch.int64)
