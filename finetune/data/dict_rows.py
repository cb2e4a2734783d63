"""Rows that are mappings, such as parsed JSON, turned into columns."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune.data.fields import Field, asked_columns
from finetune.data.messages import Unit, missing_columns
from finetune.data.rows import ColumnValues, Rows
from finetune.dotted_keys import flatten
from finetune.errors import raise_all

_MISSING = object()
NESTED = "translation"
"""The column in which translation data sets on the Hub keep a mapping from languages to texts."""
_LISTED = 3
"""How many items of a list are searched for the columns that a message lists."""


def rows_from_objects(
    name: str,
    objects: Sequence[Mapping[str, Any]],
    fields: Sequence[Field],
    *,
    unit: Unit = "row",
    numbers: Sequence[int] | None = None,
) -> Rows:
    """Return the columns that fields ask for.

    A column's name can be a dotted path into nested mappings, `answer.text`, in which numbers are indices of lists,
    `choices.0`. A column that no row has is also looked for in `translation`, as data sets on the Hub nest it.

    Args:
        name: The source, for messages.
        objects: The rows; one that lacks a column has the value None there.
        fields: What the task reads.
        unit: What `numbers` count.
        numbers: The line or row of each object; counted up from 0 if None.

    Raises:
        UserError: No row has a column.
    """
    columns: dict[str, ColumnValues] = {}
    notes: list[str] = []
    for column in asked_columns(fields):
        values = [row[column] if column in row else _value(row, column) for row in objects]  # most need no call
        if values and all(value is _MISSING for value in values):
            values = [_value(row, f"{NESTED}.{column}") for row in objects]
            notes.append(nested_note(name, column))
        if not values or any(value is not _MISSING for value in values):
            columns[column] = [None if value is _MISSING else value for value in values]
    missing = [field for field in fields if field.column not in columns]
    if missing:
        found = dict.fromkeys(path for row in objects for path in column_paths(row))
        raise_all(missing_columns(name, missing, list(found)))
    return Rows(name=name, columns=columns, unit=unit, numbers=numbers, notes=tuple(notes))


def nested_note(name: str, column: str) -> str:
    """Return a note for the user that a column was found in `translation`."""
    return f"{name}: column {column!r} is read from {NESTED}.{column}"


def _value(row: Any, column: str) -> Any:
    """Return the value at a dotted path, or `_MISSING`; a key that has dots itself comes first."""
    outer, dot, inner = column.partition(".")
    if isinstance(row, list) and outer.isdecimal():
        item = row[int(outer)] if int(outer) < len(row) else _MISSING
        return _value(item, inner) if dot else item
    if not isinstance(row, Mapping):
        return _MISSING
    if column in row:
        return row[column]
    return _value(row.get(outer), inner) if dot else _MISSING


def column_paths(row: Mapping[str, Any]) -> list[str]:
    """Return the dotted paths of a row's values that are neither mappings nor lists of mappings."""
    return list(flatten(row, _nested))


def _nested(key: str, value: Any) -> Mapping[Any, Any] | None:
    """Return a mapping, or a list of mappings by number, whose values are columns of their own; None for others."""
    if isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
        return dict(enumerate(value[:_LISTED]))
    return value if isinstance(value, Mapping) else None
