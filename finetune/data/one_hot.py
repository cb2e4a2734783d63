"""Several labels an example, given as columns of 0 and 1."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from finetune.data.fields import Field
from finetune.data.messages import plural
from finetune.data.rows import Rows
from finetune.errors import UserError

_SET = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
_NO_LABEL = ("", "-1", "-1.0")


def parts_of(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields with a field for each column of flags in place of the field that they make up."""
    parts: list[Field] = []
    for one in fields:
        parts += [Field(one.name, "text", column) for column in one.flag_columns] if one.flag_columns else [one]
    return tuple(parts)


def join_flags(rows: Rows, fields: Sequence[Field], names: Sequence[str] | None) -> Rows:
    """Return the rows with columns of flags merged into one column: the numbers of the labels that are set.

    Args:
        rows: The rows of a split, with every column of flags.
        fields: What the task reads.
        names: Names of the labels, in the order of the columns; the columns' own where None.

    Raises:
        UserError: A cell is neither 0 nor 1, or there are more or fewer names than columns.
    """
    for one in fields:
        if one.flag_columns:
            rows = _joined(rows, one, tuple(names or one.flag_columns))
    return rows


def flags_note(field: Field) -> str:
    """Return a note for the user on how the columns are read."""
    return f"{plural(len(field.flag_columns), 'column')} of 0 and 1 are a label each: {field.column}"


def _joined(rows: Rows, field: Field, names: tuple[str, ...]) -> Rows:
    if len(names) != len(field.flag_columns):
        raise UserError(
            f"{plural(len(field.flag_columns), 'column')} of flags and {plural(len(names), 'name')} of labels",
            where=f"{field.key}=[{field.column}]; data.labels",
            expected="a name for each column, in their order",
            fix="leave data.labels out: the columns' names are the labels'",
        )
    columns = [_texts(rows, column) for column in field.flag_columns]
    flags = list(zip(*columns, strict=True))
    wrong = [number for number, row in enumerate(flags) if not _is_readable(row)]
    if wrong:
        raise _unreadable(rows, field, wrong, flags[wrong[0]])
    numbers = [
        None if row[0] in _NO_LABEL else [number for number, flag in enumerate(row) if _SET[flag]] for row in flags
    ]
    column = pa.chunked_array([pa.array(numbers, pa.list_(pa.int64()))])
    return rows.with_column(field.column, column, class_names=names)


def _is_readable(row: Sequence[str]) -> bool:
    """Return whether a row has a flag in each column, or no label at all."""
    return all(cell in _SET for cell in row) or all(cell in _NO_LABEL for cell in row)


def _texts(rows: Rows, column: str) -> list[str]:
    given = rows.columns[column]
    values: list[Any] = given if isinstance(given, list) else given.to_pylist()
    return ["" if value is None else str(value).strip().lower() for value in values]


def _unreadable(rows: Rows, field: Field, wrong: Sequence[int], found: Sequence[str]) -> UserError:
    cells = ", ".join(f"{name} {cell!r:.40}" for name, cell in zip(field.flag_columns, found, strict=True))
    return UserError(
        f"{plural(len(wrong), 'row')} with something else than 0 and 1 in columns that hold a label each",
        where=rows.where(wrong),
        expected="0 or 1 (or true, false) in each of " + ", ".join(field.flag_columns),
        found=cells,
        fix=f"correct these rows, or leave them out by data.filter; {field.key}=... names a single column",
    )
