"""One class an example, given as a list of one, as annotation tools export it."""

from collections.abc import Iterable, Sequence
from typing import Any

from finetune.data.fields import Field
from finetune.data.rows import ColumnValues, Rows


def are_lists_of_one(columns: Iterable[ColumnValues], field: Field) -> bool:
    """Return whether the field is one class and every row holds a list of at most one value."""
    if field.kind != "label" or field.is_open:
        return False
    values = [value for column in columns for value in _values(column) if value is not None]
    return bool(values) and all(isinstance(value, list | tuple) and len(value) < 2 for value in values)


def as_single_values(rows: Rows, field: Field) -> Rows:
    """Return the rows with each list of one column replaced by its only value, and by None where it is empty."""
    values = [value[0] if isinstance(value, list | tuple) and value else None for value in _values_of(rows, field)]
    return rows.with_column(field.column, values, rows.class_names.get(field.column))


def single_note(name: str) -> str:
    """Return a note for the user on how the column is read."""
    return f"column {name!r} holds lists of one class, which are read as that class"


def _values_of(rows: Rows, field: Field) -> Sequence[Any]:
    return _values(rows.columns[field.column])


def _values(column: ColumnValues) -> Sequence[Any]:
    values: list[Any] = column if isinstance(column, list) else column.to_pylist()
    return values
