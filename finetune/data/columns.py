"""Columns as sources give them, turned into the strings and lists of strings that tasks read."""

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.fields import Field
from finetune.data.messages import plural
from finetune.data.numbered_spans import spans_column
from finetune.data.python_values import arrow_column
from finetune.data.rows import Rows
from finetune.data.targets import as_numbers, label_lists
from finetune.errors import UserError

_STRINGS = pa.list_(pa.string())
_CONTENT = {"text": "text", "label": "a label", "words": "words", "word_labels": "labels", "spans": "spans"}


def canonical_column(rows: Rows, field: Field) -> pa.ChunkedArray:
    """Return one field's values, of which none is null or blank; only a list of labels may be empty.

    They are string, or list<string> for words, their labels and lists of labels, or float64 for numbers. Spans are
    string, too.
    A column of text that is right as it stands is returned itself, not a copy.

    Raises:
        UserError: The column holds something else, or a row holds nothing.
    """
    if field.kind in ("label_list", "number"):
        values = rows.columns[field.column]
        column = arrow_column(values, rows, field) if isinstance(values, list) else values
        return (as_numbers if field.kind == "number" else label_lists)(column, rows, field)
    strings = string_column(rows, field)
    empty = where_true(blank(pc.binary_join(strings, "") if pa.types.is_list(strings.type) else strings))
    if empty:
        raise _empty(empty, rows, field)
    return strings


def string_column(rows: Rows, field: Field) -> pa.ChunkedArray:
    """Return one field's values as string, or as list<string> for words and their labels.

    Spans are strings as `write_spans` writes them. A value is null or blank where a row holds nothing.

    Raises:
        UserError: The column holds something else.
    """
    if field.kind == "spans":
        return spans_column(rows, field)
    values = rows.columns[field.column]
    column = arrow_column(values, rows, field) if isinstance(values, list) else values
    listed = field.kind in ("words", "word_labels")
    return _lists(column, rows, field) if listed else _strings(column, rows, field)


def where_true(mask: pa.ChunkedArray) -> list[int]:
    """Return the indices of a boolean column's true values."""
    indices: list[int] = pc.indices_nonzero(mask).to_pylist()
    return indices


def blank(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a boolean column: true where a column of strings is null, empty or white space alone."""
    return pc.fill_null(pc.or_(pc.utf8_is_space(column), pc.equal(pc.binary_length(column), 0)), fill_value=True)


def _strings(column: pa.ChunkedArray, rows: Rows, field: Field) -> pa.ChunkedArray:
    kind = column.type
    if field.column in rows.class_names and pa.types.is_integer(kind):
        return _named(column, rows.class_names[field.column])
    if pa.types.is_dictionary(kind) or pa.types.is_null(kind):
        return _strings(column.cast(pa.string()), rows, field)
    if _is_string(kind):
        return pc.utf8_trim_whitespace(column) if field.kind == "label" else column
    if pa.types.is_integer(kind) or (pa.types.is_boolean(kind) and field.kind == "label"):
        return column.cast(pa.string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        column = column if pa.types.is_decimal(kind) else pc.if_else(pc.is_nan(column), pa.scalar(None, kind), column)
        return (_whole(column, rows, field) if field.kind == "label" else column).cast(pa.string())
    raise _wrong_type(kind, rows, field)


def _lists(column: pa.ChunkedArray, rows: Rows, field: Field) -> pa.ChunkedArray:
    kind = column.type
    if _is_string(kind) or pa.types.is_null(kind):
        text = column.cast(pa.string())
        written = pc.if_else(blank(text), pa.scalar(None, pa.string()), text)
        return pc.utf8_split_whitespace(pc.utf8_trim_whitespace(written))
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise _wrong_type(kind, rows, field)
    if field.column in rows.class_names and pa.types.is_integer(kind.value_type):
        return _named_lists(column.cast(pa.list_(kind.value_type)), rows.class_names[field.column])
    if not (_is_string(kind.value_type) or pa.types.is_integer(kind.value_type) or pa.types.is_null(kind.value_type)):
        raise _wrong_type(kind, rows, field)
    return column if kind == _STRINGS else column.cast(_STRINGS)


def _is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _named(as_numbers: pa.ChunkedArray | pa.Array, names: tuple[str, ...]) -> pa.ChunkedArray | pa.Array:
    """Return the names of class numbers; null for numbers without a class (the Hub marks missing labels by -1)."""
    known = pc.and_(pc.greater_equal(as_numbers, 0), pc.less(as_numbers, len(names)))
    return pc.take(pa.array(names, pa.string()), pc.if_else(known, as_numbers, pa.scalar(None, as_numbers.type)))


def _named_lists(lists: pa.ChunkedArray, names: tuple[str, ...]) -> pa.ChunkedArray:
    named = [pa.ListArray.from_arrays(chunk.offsets, _named(chunk.values, names)) for chunk in lists.chunks]
    return pa.chunked_array(named, _STRINGS)


def _whole(column: pa.ChunkedArray, rows: Rows, field: Field) -> pa.ChunkedArray:
    """Return labels that were stored as 1.0 as whole numbers; pandas stores a column with gaps in this way."""
    fractional = where_true(pc.fill_null(pc.not_equal(pc.floor(column), column), fill_value=False))
    if fractional:
        raise UserError(
            f"column {field.column!r} holds fractional numbers, and classes are wanted",
            where=rows.where(fractional),
            expected="names or whole numbers",
            found=str(column[fractional[0]].as_py()),
            fix="task.problem_type=regression reads numbers; for classes, round them or name another column by "
            f"{field.key}=...",
        )
    return column.cast(pa.int64())


def _empty(empty: list[int], rows: Rows, field: Field) -> UserError:
    content = _CONTENT[field.kind]
    if field.kind == "label" and len(empty) == len(rows):
        return UserError(
            f"no row has a label in column {field.column!r}",
            where=rows.name,
            fix="leave this split out, and it is cut from train (from the Hub: data.splits.test=null)",
        )
    return UserError(
        f"{plural(len(empty), 'row')} without {content} in column {field.column!r}",
        where=rows.where(empty),
        fix="remove these rows, or fill them; data.on_empty=skip leaves them out"
        + ("; a text without spans has []" if field.kind == "spans" else ""),
    )


def _wrong_type(kind: pa.DataType, rows: Rows, field: Field) -> UserError:
    listed = field.kind in ("words", "word_labels")
    return UserError(
        f"column {field.column!r} does not hold {_CONTENT[field.kind]}",
        where=rows.name,
        expected=f"lists of {_CONTENT[field.kind]}" if listed else "text or whole numbers",
        found=f"values of type {kind}",
        fix=f"{field.key}=... names another column",
    )
