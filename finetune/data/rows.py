"""The rows of one split as they are in their source, before they are checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

from finetune.data.messages import Unit, places
from finetune.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

ColumnValues: TypeAlias = list[Any] | pa.ChunkedArray
"""Values of one column: Python objects, or an Arrow array."""

MOST_PARTS = 3
"""The most files whose rows a message lists."""


@dataclass(frozen=True)
class Rows:
    """The rows of one split.

    Args:
        name: The file, or the Hub data set and split, as the user writes it.
        columns: The columns that fields ask for, by the user's names; all of one length.
        unit: What `numbers` count: lines of a file from 1, or rows from 0.
        numbers: The line or row that each row begins in, for messages; counted up from 0 if None.
        class_names: Names of the classes of columns that hold class numbers.
        stored: The data set that `columns` belong to if they are mapped from the disk, so that rows can be selected
            without a copy in memory.
        parts: The rows of each file if there are several files.
        notes: Sentences that say what was found out about how the source is written.
    """

    name: str
    columns: Mapping[str, ColumnValues]
    unit: Unit = "row"
    numbers: Sequence[int] | None = None
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stored: Dataset | None = None
    parts: tuple[Rows, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def where(self, indices: Sequence[int]) -> str:
        """Return the source and the numbers of the first few of some rows, for a message."""
        if self.parts:
            return self._where_in_parts(indices)
        return places(self.name, self.unit, indices if self.numbers is None else [self.numbers[i] for i in indices])

    def _where_in_parts(self, indices: Sequence[int]) -> str:
        places_in_parts, start = [], 0
        for part in self.parts:
            inside = [index - start for index in indices if start <= index < start + len(part)]
            places_in_parts += [part.where(inside)] if inside else []
            start += len(part)
        num_more = len(places_in_parts) - MOST_PARTS
        more = f"; and in {num_more:,} more files" if num_more > 0 else ""
        return "; ".join(places_in_parts[:MOST_PARTS]) + more

    def take(self, indices: Sequence[int]) -> Rows:
        """Return some of the rows, in the order of their indices."""
        if self.parts:
            return self._take_in_parts(indices)
        numbers = indices if self.numbers is None else [self.numbers[index] for index in indices]
        if self.stored is not None:
            stored = self.stored.select(indices).flatten_indices()
            columns: dict[str, ColumnValues] = {name: stored.data.table[name] for name in self.columns}
            return replace(self, columns=columns, numbers=numbers, stored=stored)
        return replace(
            self, columns={name: _take(column, indices) for name, column in self.columns.items()}, numbers=numbers
        )

    def with_column(self, name: str, column: ColumnValues, class_names: tuple[str, ...] | None = None) -> Rows:
        """Return the same rows with other values in one column.

        Args:
            name: The column.
            column: Its values, as many as there are rows.
            class_names: Names of the classes if the values are class numbers.
        """
        parts, start = [], 0
        for part in self.parts:
            parts.append(part.with_column(name, column[start : start + len(part)], class_names))
            start += len(part)
        named = {one: names for one, names in self.class_names.items() if one != name}
        named |= {} if class_names is None else {name: class_names}
        columns = {**self.columns, name: column}
        return replace(self, columns=columns, class_names=named, stored=None, parts=tuple(parts))

    def _take_in_parts(self, indices: Sequence[int]) -> Rows:
        taken, start = [], 0
        for part in self.parts:
            taken.append(part.take([index - start for index in indices if start <= index < start + len(part)]))
            start += len(part)
        return join([part for part in taken if len(part)])


def join(parts: Sequence[Rows]) -> Rows:
    """Return the rows of several files, one file after another.

    Raises:
        UserError: A column has values of different types, or names its classes differently, in two of the files.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    different = next((part for part in parts if part.class_names != first.class_names), None)
    if different is not None:
        raise UserError("files name their classes differently", where=f"{first.name}; {different.name}")
    try:
        columns = {name: _concatenate([part.columns[name] for part in parts]) for name in first.columns}
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise UserError("files hold columns of different types", where=first.name, found=str(error)) from None
    stored = [part.stored for part in parts if part.stored is not None]
    are_alike = len(stored) == len(parts) and all(one.features == stored[0].features for one in stored)
    names = f"{first.name} and {len(parts) - 1:,} more"
    notes = tuple(dict.fromkeys(note for part in parts for note in part.notes))
    whole = Rows(names, columns, class_names=first.class_names, parts=tuple(parts), notes=notes)
    if not are_alike:
        return whole
    from datasets import concatenate_datasets  # it takes half a second to import

    joined = concatenate_datasets(stored)
    return replace(whole, columns={name: joined.data.table[name] for name in columns}, stored=joined)


def _concatenate(columns: Sequence[ColumnValues]) -> ColumnValues:
    arrays = [column for column in columns if not isinstance(column, list)]
    if len(arrays) == len(columns):
        return pa.concat_tables([pa.table({"": column}) for column in arrays], promote_options="permissive")[""]
    lists = [column if isinstance(column, list) else column.to_pylist() for column in columns]
    return [value for column in lists for value in column]


def _take(column: ColumnValues, indices: Sequence[int]) -> ColumnValues:
    return [column[index] for index in indices] if isinstance(column, list) else column.take(pa.array(indices))
