"""What a mask can ask about the examples it is evaluated in: lengths, token columns, values of the example.

One class serves one example, a padded batch and a ragged stream: tokens lie in flat columns, `starts` says where
each example begins, and `example` says which example every element of an evaluation belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from finetune.attention.masks.bounds import Span
from finetune.attention.masks.errors import MaskError, MissingColumn

ExampleFeatures = Mapping[str, Sequence[int] | Tensor | int]
"""Columns of one example: a sequence has one integer a token, a single integer is a value of the example."""


@dataclass(frozen=True, eq=False)
class AttentionSide:
    """The tokens on one side of attention, queries or keys.

    Args:
        starts: int64 [examples], index in the flat columns of each example's first token.
        lengths: int64 [examples], number of tokens of each example.
        columns: name -> int64 [tokens], one integer a token.
    """

    starts: Tensor
    lengths: Tensor
    columns: Mapping[str, Tensor]
    _tables: dict[str, tuple[Tensor, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def feature(self, name: str, example: Tensor, position: Tensor) -> Tensor:
        """The column's value at positions of examples; whatever it holds nearby where a position does not exist."""
        if name not in self.columns:
            raise MissingColumn("token column", name, self.columns)
        column = _never_empty(self.columns[name])
        return column[(self.starts[example] + position).clamp(0, len(column) - 1)]

    def feature_range(self, name: str, example: Tensor, span: Span) -> Span | None:
        """The least and greatest value of the column in each run of positions; None where there is no such column."""
        if name not in self.columns:
            return None
        if name not in self._tables:
            column = _never_empty(self.columns[name])
            self._tables[name] = (_range_table(column, torch.minimum), _range_table(column, torch.maximum))
        lowest, highest = self._tables[name]
        start = self.starts[example]
        first = (start + span.first).clamp(0, lowest.shape[1] - 1)
        last = (start + span.last).clamp(0, lowest.shape[1] - 1)
        level = (last - first + 1).double().log2().long()
        second = last - 2**level + 1
        return Span(
            torch.minimum(lowest[level, first], lowest[level, second]),
            torch.maximum(highest[level, first], highest[level, second]),
        )


def _never_empty(column: Tensor) -> Tensor:
    return column if len(column) else column.new_zeros(1)


def _range_table(column: Tensor, merge: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """[levels, tokens]: entry (level, i) merges the 2**level values from i on (a sparse table)."""
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
        queries: The side of the queries.
        keys: The side of the keys; the same object in self-attention.
        example: int64, the example that each element belongs to, broadcastable with heads, queries and keys.
        num_heads: Attention heads.
        values: name -> int64 [examples], one integer an example.
    """

    queries: AttentionSide
    keys: AttentionSide
    example: Tensor
    num_heads: int
    values: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def query_length(self) -> Tensor:
        """int64, number of query tokens of each element's example."""
        return self.queries.lengths[self.example]

    @property
    def key_length(self) -> Tensor:
        """int64, number of key tokens of each element's example."""
        return self.keys.lengths[self.example]

    def query_feature(self, name: str, q: Tensor) -> Tensor:
        """The token column's value at query positions. Raises MissingColumn."""
        return self.queries.feature(name, self.example, q)

    def key_feature(self, name: str, k: Tensor) -> Tensor:
        """The token column's value at key positions. Raises MissingColumn."""
        return self.keys.feature(name, self.example, k)

    def query_feature_range(self, name: str, queries: Span) -> Span | None:
        """Least and greatest value of the column in runs of queries; None where it is not given."""
        return self.queries.feature_range(name, self.example, queries)

    def key_feature_range(self, name: str, keys: Span) -> Span | None:
        """Least and greatest value of the column in runs of keys; None where it is not given."""
        return self.keys.feature_range(name, self.example, keys)

    def example_value(self, name: str) -> Tensor:
        """The example's own value of that name. Raises MissingColumn."""
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
    """The scope of a single example.

    Args:
        query_length: Number of queries.
        key_length: Number of keys; None in self-attention, where the keys are the queries.
        num_heads: Attention heads.
        features: The queries' token columns, and values of the example.
        key_features: The same of the keys, in cross-attention only.
        device: Where to evaluate.

    Raises:
        MaskError: A length is negative, or a column does not fit its side.
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
    """A column as int64. Raises MaskError where it holds anything but integers or booleans."""
    column = torch.as_tensor(given, device=device)
    if column.numel() and (column.is_floating_point() or column.is_complex()):
        raise MaskError(f"column {name!r} must hold integers, got {column.dtype}")
    return column.to(torch.int64)
