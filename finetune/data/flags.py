"""Lists that give a 0 or a 1 for each label, as scikit-learn's MultiLabelBinarizer writes them."""

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from finetune.data.fields import Field
from finetune.data.messages import plural
from finetune.data.rows import ColumnValues, Rows
from finetune.errors import UserError

_FLAGS = {0: False, 1: True, "0": False, "1": True}
"""By equality, so that 1.0 and True are 1, too."""


def count_flags(columns: Iterable[ColumnValues], field: Field) -> int | None:
    """Return for how many labels each row of a column holds a 0 or a 1; None where it holds something else.

    All lists are of one length above 1 and hold nothing but 0 and 1 (whole, fractional or boolean). Texts "0" and "1"
    might be names of labels; they are flags where some list repeats one, which a list of names does not.
    """
    held = [_lists(column, field) for column in columns if _may_hold(column, field)]
    lists = [flags for values in held for flags in values if flags is not None]
    lengths = {len(flags) for flags in lists}
    if len(lengths) != 1 or min(lengths) < 2 or not all(map(_are_flags, lists)):
        return None
    has_text = any(isinstance(flag, str) for flags in lists for flag in flags)
    return None if has_text and not any(len(set(flags)) < len(flags) for flags in lists) else lengths.pop()


def as_class_numbers(rows: Rows, field: Field, count: int, names: Sequence[str] | None) -> Rows:
    """Return the rows with one column's flags as the numbers of the labels that are set, which get class names.

    Args:
        rows: The rows of a split.
        field: The field whose column it is.
        count: The length of the lists.
        names: Names of the labels, in order; numbers from 0 where None.

    Raises:
        UserError: There are more or fewer names than flags, or a row holds something else.
    """
    names = tuple(str(number) for number in range(count)) if names is None else tuple(names)
    if len(names) != count:
        raise UserError(
            f"column {field.column!r} holds a 0 or a 1 for each of {count} labels, and {len(names)} are named",
            where=f"data.labels; {rows.name}",
            expected=f"{count} names, in the order of the flags",
            found=", ".join(names),
        )
    lists = _lists(rows.columns[field.column], field)
    wrong = [index for index, flags in enumerate(lists) if flags and (len(flags) != count or not _are_flags(flags))]
    if wrong:
        raise UserError(
            f"{plural(len(wrong), 'row')} of another form in column {field.column!r}, which holds a 0 or a 1 a label",
            where=rows.where(wrong),
            expected=f"{count} flags, 0 or 1",
            found=f"{lists[wrong[0]]!r:.80}",
        )
    numbers = [
        None if flags is None else [number for number in range(len(flags)) if _FLAGS[flags[number]]] for flags in lists
    ]
    column = pa.chunked_array([pa.array(numbers, pa.list_(pa.int64()))])
    return rows.with_column(field.column, column, class_names=names)


def _may_hold(column: ColumnValues, field: Field) -> bool:
    """Return whether a column can hold flags by its type, so that long columns of text are not searched."""
    if isinstance(column, list):
        return True
    kind = column.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    return is_list or field.kind == "label_list"


def _lists(column: ColumnValues, field: Field) -> list[Any]:
    """Return a column's lists, with texts split at the field's separator; None for empty cells, [] for other values."""
    values = column if isinstance(column, list) else column.to_pylist()
    return [_list(value, field) for value in values]


def _list(value: Any, field: Field) -> Any:
    if isinstance(value, list | tuple) or value is None:
        return value
    if isinstance(value, str) and field.kind == "label_list":
        return [part.strip() for part in value.split(field.separator)] if value.strip() else None
    return []


def _are_flags(flags: Sequence[Any]) -> bool:
    return all(isinstance(flag, int | float | str) and flag in _FLAGS for flag in flags)
