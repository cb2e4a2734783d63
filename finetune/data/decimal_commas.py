"""Numbers with a decimal comma, as programs write them in German, French and many other languages."""

import re
from collections.abc import Iterable, Sequence

import pyarrow as pa

from finetune.data.fields import Field
from finetune.data.rows import ColumnValues, Rows

_NUMBER = re.compile(r"[+-]?\d+(,\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3},\d{3}")
"""A number whose comma may part thousands."""


def have_decimal_commas(columns: Iterable[ColumnValues], field: Field) -> bool:
    """Return whether a column of labels holds numbers alone, of which some are certain to have a decimal comma.

    The comma of 1,500 may part thousands: a column in which all commas are followed by three digits is left as it is.
    """
    if field.kind != "number" and not field.is_open:
        return False
    cells: set[str] = set()
    for column in columns:
        texts = _texts(column)
        if texts is None:
            return False
        cells.update(text.strip() for text in texts)
    cells.discard("")
    with_comma = [cell for cell in cells if "," in cell]
    return (
        bool(with_comma)
        and all(map(_NUMBER.fullmatch, cells))
        and not all(map(_THOUSANDS.fullmatch, with_comma))
        and any(int(cell.partition(",")[2]) for cell in with_comma)
    )


def as_decimal_points(rows: Rows, field: Field) -> Rows:
    """Return the rows with a decimal point in place of the comma in the numbers of one column; other texts stay."""
    column = rows.columns[field.column]
    values = column if isinstance(column, list) else column.to_pylist()
    return rows.with_column(field.column, [_with_point(value) for value in values])


def decimal_note(name: str) -> str:
    """Return a note for the user on how the column is read."""
    return (
        f"column {name!r} holds numbers with a decimal comma: 1,5 is read as 1.5; task.problem_type=single_label "
        "takes them for names of classes, and multi_label for several labels"
    )


def _with_point(value: object) -> object:
    is_number = isinstance(value, str) and _NUMBER.fullmatch(value.strip())
    return str(value).replace(",", ".") if is_number else value


def _texts(column: ColumnValues) -> Sequence[str] | None:
    """Return the texts of a column; None where it holds something else."""
    if isinstance(column, list):
        held = [value for value in column if value is not None]
        return held if all(isinstance(value, str) for value in held) else None
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    texts: list[str] = column.drop_null().unique().to_pylist() if is_text else []
    return texts if is_text else None
