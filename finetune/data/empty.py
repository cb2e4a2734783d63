"""Rows without content in a column that the task reads: left out where the recipe says so."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.columns import blank, string_column, where_true
from finetune.data.fields import Field
from finetune.data.messages import plural
from finetune.data.rows import Rows
from finetune.errors import UserError

KEY = "data.on_empty"


def without_empty(
    rows: Mapping[str, Rows], held: Mapping[str, Sequence[Field]]
) -> tuple[dict[str, Rows], tuple[str, ...]]:
    """Return the rows of each split that are empty in no column of their fields, and notes on those left out.

    Args:
        rows: The rows of each split.
        held: The fields of each split, their kinds settled.
    """
    kept, notes = {}, []
    for split, part in rows.items():
        kept[split] = filled_rows(part, held[split])
        if len(kept[split]) < len(part):
            notes.append(left_out(part.name, len(part) - len(kept[split]), len(part)))
    return kept, tuple(notes)


def filled_rows(rows: Rows, fields: Iterable[Field]) -> Rows:
    """Return the rows that are empty in no column of the fields; all rows where a column is of another type."""
    empty: set[int] = set()
    for field in fields:
        empty.update(_empty(rows, field))
    return rows.take([index for index in range(len(rows)) if index not in empty]) if empty else rows


def left_out(name: str, count: int, total: int) -> str:
    """Return a note for the user on the rows that are left out."""
    return f"{name}: {count:,} of {plural(total, 'row')} left out, which hold nothing in some column ({KEY}=skip)"


def _empty(rows: Rows, field: Field) -> list[int]:
    if field.kind == "label_list":  # no label is an answer, too
        return []
    try:
        strings = string_column(rows, field)
    except UserError:  # is told by whoever checks the columns
        return []
    return where_true(blank(pc.binary_join(strings, "") if pa.types.is_list(strings.type) else strings))
