"""The classes: declared or collected from the data, and compared with what the rows hold."""

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.columns import where_true
from finetune.data.fields import Field
from finetune.data.problems import plural, some
from finetune.data.rows import Rows
from finetune.errors import UserError, nearest

_INTEGER = re.compile(r"[+-]?\d+")


def distinct(column: pa.ChunkedArray) -> set[str]:
    """The labels that occur in a column of labels or of lists of labels."""
    values = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    return set(pc.unique(values).to_pylist())


def ordered(labels: Iterable[str]) -> tuple[str, ...]:
    """Sorted: by value where all are whole numbers, else by name."""
    names = sorted(labels)
    return tuple(sorted(names, key=int) if all(map(_INTEGER.fullmatch, names)) else names)


def collect(field: Field, splits: Mapping[str, pa.ChunkedArray]) -> tuple[str, ...]:
    """The classes that the data hold: of train alone for one label an example, else of all splits.

    A model can learn the class of an example only from examples of that class; word labels may be rare (I-ORG) and
    still follow from the others.
    """
    columns = [splits["train"]] if field.kind == "label" else splits.values()
    return ordered(set().union(*map(distinct, columns)))


def unknown_labels(
    field: Field, rows: Mapping[str, Rows], splits: Mapping[str, pa.ChunkedArray], names: tuple[str, ...], known_as: str
) -> list[UserError]:
    """One error for each split with labels that are not among `names`, which come from `known_as`."""
    return [
        _unknown(field, rows[split], column, unknown, names, known_as)
        for split, column in splits.items()
        if (unknown := sorted(distinct(column) - set(names)))
    ]


def _unknown(
    field: Field, rows: Rows, column: pa.ChunkedArray, unknown: list[str], names: tuple[str, ...], known_as: str
) -> UserError:
    found = rows_with(column, unknown)
    likely = nearest(unknown[0], names)
    guess = f"{likely!r} for {unknown[0]!r}?" if likely else "correct the rows,"
    return UserError(
        f"{plural(len(unknown), 'label')} of column {field.column!r} not in {known_as}: {some(unknown, most=10)}",
        where=rows.where(found),
        expected=some(names),
        fix=f"{guess} or name every class in data.labels=[...]",
    )


def rows_with(column: pa.ChunkedArray, labels: list[str]) -> list[int]:
    """Indices of the rows that hold one of these labels."""
    if not pa.types.is_list(column.type):
        return where_true(pc.is_in(column, pa.array(labels)))
    return [index for index, row in enumerate(column.to_pylist()) if not set(labels).isdisjoint(row)]
