"""Rows that are mappings: parsed JSON, and samples."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finetune.data.fields import Field, asked_columns
from finetune.data.messages import Unit, missing_columns
from finetune.data.rows import ColumnValues, Rows
from finetune.errors import raise_all

_MISSING = object()


def rows_from_objects(
    name: str,
    objects: Sequence[Mapping[str, Any]],
    fields: Sequence[Field],
    *,
    unit: Unit = "row",
    numbers: Sequence[int] | None = None,
) -> Rows:
    """The asked columns, nested ones by dotted path; None where a single row lacks one.

    Raises:
        UserError: A column that no row has.
    """
    columns: dict[str, ColumnValues] = {}
    for column in asked_columns(fields):
        values = [_value(row, column) for row in objects]
        if not values or any(value is not _MISSING for value in values):
            columns[column] = [None if value is _MISSING else value for value in values]
    missing = [field for field in fields if field.column not in columns]
    if missing:
        found = dict.fromkeys(path for row in objects for path in _paths(row))
        raise_all(missing_columns(name, missing, list(found)))
    return Rows(name=name, columns=columns, unit=unit, numbers=numbers)


def _value(row: Any, column: str) -> Any:
    if not isinstance(row, Mapping):
        return _MISSING
    if column in row:
        return row[column]
    outer, dot, inner = column.partition(".")
    return _value(row.get(outer), inner) if dot else _MISSING


def _paths(row: Mapping[str, Any], start: str = "") -> Iterator[str]:
    """Dotted paths of the values that are no mappings themselves."""
    for key, value in row.items():
        if isinstance(value, Mapping):
            yield from _paths(value, f"{start}{key}.")
        else:
            yield start + key
