"""Answers other than one label an example: lists of labels, and numbers; and how the data tell which it is."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.fields import Field, FieldKind
from finetune.data.messages import plural
from finetune.data.rows import ColumnValues, Rows
from finetune.errors import UserError

_STRINGS = pa.list_(pa.string())
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?"
_IS_NUMBER = re.compile(_NUMBER)


def infer_label_kinds(fields: Sequence[Field], train: Rows) -> tuple[Field, ...]:
    """Return the fields with each open kind (label, list of labels or number) determined from the train split.

    Lists are lists of labels, a column of numbers of which one is fractional is numbers, all else is one label an
    example.
    """
    return tuple(
        replace(field, kind=_kind(train.columns[field.column]), is_open=False) if field.is_open else field
        for field in fields
    )


def _kind(column: ColumnValues) -> FieldKind:
    if isinstance(column, list):
        return _kind_of_objects([value for value in column if value not in (None, "") and not _is_nan(value)])
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return "label_list"
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _kind_of_objects([value for value in pc.unique(column).to_pylist() if value])
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = column.cast(pa.float64()).drop_null()
        values = values.filter(pc.invert(pc.is_nan(values)))
        return "number" if pc.any(pc.not_equal(pc.floor(values), values)).as_py() else "label"
    return "label"


def _kind_of_objects(values: Sequence[object]) -> FieldKind:
    if any(isinstance(value, list | tuple) for value in values):
        return "label_list"
    are_numbers = all(
        isinstance(value, int | float) and not isinstance(value, bool)
        if not isinstance(value, str)
        else _IS_NUMBER.fullmatch(value.strip()) is not None
        for value in values
    )
    return "number" if are_numbers and any(_is_fractional(value) for value in values) else "label"


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_fractional(value: object) -> bool:
    number = float(str(value))
    return not math.isfinite(number) or not number.is_integer()


def label_lists(column: pa.ChunkedArray, rows: Rows, field: Field) -> pa.ChunkedArray:
    """Return a column of lists of labels, with texts split at the field's separator; null becomes an empty list.

    Returns:
        list<string>, without repeats.

    Raises:
        UserError: The column holds something else.
    """
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    item = kind.value_type if is_list else kind
    readable = pa.types.is_string(item) or pa.types.is_large_string(item) or pa.types.is_null(item)
    if not (readable or (is_list and pa.types.is_integer(item))):
        raise _wrong_type(kind, rows, field, "lists of labels, or text")
    names = rows.class_names.get(field.column) if pa.types.is_integer(item) else None
    given = column.to_pylist()
    split = [value if is_list or value is None else str(value).split(field.separator) for value in given]
    named = [[_name(label, names) for label in labels or () if label is not None] for labels in split]
    cleaned = [list(dict.fromkeys(text for label in labels if (text := label.strip()))) for labels in named]
    return pa.chunked_array([pa.array(cleaned, _STRINGS)])


def _name(label: object, names: Sequence[str] | None) -> str:
    return str(label) if names is None else names[int(str(label))]


def as_numbers(column: pa.ChunkedArray, rows: Rows, field: Field) -> pa.ChunkedArray:
    """Return a column of numbers, or of numbers written as text, as float64.

    Raises:
        UserError: The column holds something else, or a row holds nothing or no finite number.
    """
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind):
        texts = pc.utf8_trim_whitespace(column.cast(pa.string()))
        readable = pc.fill_null(pc.match_substring_regex(texts, f"^{_NUMBER}$"), fill_value=False)
        _refuse(pc.invert(readable), column, rows, field)
        return texts.cast(pa.float64())
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise _wrong_type(kind, rows, field, "numbers")
    values = column.cast(pa.float64())
    _refuse(pc.invert(pc.fill_null(pc.is_finite(values), fill_value=False)), column, rows, field)
    return values


def _refuse(wrong: pa.ChunkedArray, column: pa.ChunkedArray, rows: Rows, field: Field) -> None:
    indices: list[int] = pc.indices_nonzero(wrong).to_pylist()
    if indices:
        raise UserError(
            f"{plural(len(indices), 'row')} without a number in column {field.column!r}",
            where=rows.where(indices),
            expected="a finite number, written 1.5 or 2e-3",
            found=repr(column[indices[0]].as_py()),
            fix="correct or remove these rows; for classes: task.problem_type=single_label",
        )


def _wrong_type(kind: pa.DataType, rows: Rows, field: Field, expected: str) -> UserError:
    return UserError(
        f"column {field.column!r} does not hold {expected}",
        where=rows.name,
        expected=expected,
        found=f"values of type {kind}",
        fix=f"{field.key}=... names another column",
    )
