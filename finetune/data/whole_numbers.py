"""Class numbers that were stored with a fraction of zero, as pandas does in a column with gaps: 1.0 is the class 1."""

import math
import re
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.checks import ArrowColumns
from finetune.data.fields import Field
from finetune.data.labels import distinct_labels
from finetune.data.rows import ColumnValues, Rows
from finetune.recipe import Data

_WHOLE = re.compile(r"[+-]?\d+(\.0*)?")


def whole_numbers(
    data: Data, fields: Sequence[Field], rows: Mapping[str, Rows], columns: Mapping[str, ArrowColumns]
) -> tuple[dict[str, ArrowColumns], tuple[str, ...]]:
    """Return the columns of all splits, with 1.0 written as 1 where all labels are whole numbers, and notes on these.

    Labels that data.labels names are left as they are.
    """
    made, notes = {split: dict(one) for split, one in columns.items()}, []
    for field in fields:
        if field.kind != "label":
            continue
        given = {split: one[field.name] for split, one in columns.items() if field.name in one}
        found = set().union(*map(distinct_labels, given.values()))
        is_named = not found.isdisjoint(data.labels or ())
        is_written = not is_named and all(map(_WHOLE.fullmatch, found)) and any("." in label for label in found)
        for split, column in given.items() if is_written else ():
            made[split][field.name] = pc.replace_substring_regex(column, r"\.0*$", "")
        if is_written or any(_holds_floats(rows[split].columns[field.column]) for split in given):
            notes.append(
                f"column {field.column!r} holds whole numbers with a fraction of zero: 1.0 is read as the class 1; "
                "task.problem_type=regression reads numbers"
            )
    return made, tuple(notes)


def _holds_floats(column: ColumnValues) -> bool:
    if isinstance(column, list):
        return any(isinstance(value, float) and not math.isnan(value) for value in column)
    return bool(pa.types.is_floating(column.type))
