"""The classes: declared or collected from the data, and compared with what the rows hold."""

import re
from collections.abc import Iterable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.columns import where_true
from finetune.data.fields import Field
from finetune.data.messages import escaped, plural, quoted, shorten_list
from finetune.data.rows import Rows
from finetune.errors import UserError, nearest

NO_TARGET = "-100"
"""Label of a word that is neither learned nor scored, as in transformers, unless data.labels holds it as a class."""

_NO_LABEL = "-1"
"""What data sets such as those of GLUE write in the place of a label."""
OF_MODEL = "the classes of the model"
"""What messages call classes that a trained model knows; no others can be added to them."""

_INTEGER = re.compile(r"[+-]?\d+")


def distinct_labels(column: pa.ChunkedArray) -> set[str]:
    """Return the labels that occur in a column of labels or of lists of labels."""
    values = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    return set(pc.unique(values).to_pylist())


def count_label(column: pa.ChunkedArray, label: str) -> int:
    """Return how often a label occurs in a column of labels or of lists of labels."""
    values = pc.list_flatten(column) if pa.types.is_list(column.type) else column
    return pc.sum(pc.equal(values, label)).as_py() or 0


def sort_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Return the labels sorted: by value where all are whole numbers, by name otherwise."""
    names = sorted(labels)
    return tuple(sorted(names, key=int) if all(map(_INTEGER.fullmatch, names)) else names)


def is_no_target(field: Field, names: tuple[str, ...]) -> bool:
    """Return whether NO_TARGET marks words without a target: among labels of words, unless it names a class."""
    return field.kind == "word_labels" and NO_TARGET not in names


def name_classes(field: Field, column: pa.ChunkedArray, names: tuple[str, ...]) -> pa.ChunkedArray:
    """Return the column with class numbers, counted from 0, replaced by the names at these positions in `names`.

    The same column where it holds none, where a name is itself a whole number, and for lists of labels, which can be
    indicators (0 or 1 for each class) as well.
    """
    if field.kind == "label_list" or any(map(_INTEGER.fullmatch, names)):
        return column
    numbers = [str(number) for number in range(len(names))]
    if distinct_labels(column).isdisjoint(numbers):
        return column
    if not pa.types.is_list(column.type):
        return _replaced(column, numbers, names)
    chunks = [
        pa.ListArray.from_arrays(chunk.offsets, _replaced(chunk.values, numbers, names)) for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, column.type)


def _replaced(
    values: pa.Array | pa.ChunkedArray, numbers: list[str], names: tuple[str, ...]
) -> pa.Array | pa.ChunkedArray:
    places = pc.index_in(values, value_set=pa.array(numbers))
    return pc.coalesce(pc.take(pa.array(names, values.type), places), values)


def collect_labels(field: Field, splits: Mapping[str, pa.ChunkedArray]) -> tuple[str, ...]:
    """Return the classes in the data: those of train for one label an example, those of all splits otherwise.

    A model can learn the class of an example only from examples of that class; word labels may be rare (I-ORG) and
    still follow from the others.
    """
    columns = [splits["train"]] if field.kind == "label" else splits.values()
    found = set().union(*map(distinct_labels, columns))
    return sort_labels(found - {NO_TARGET} if is_no_target(field, ()) else found)


def unknown_labels(
    field: Field, rows: Mapping[str, Rows], splits: Mapping[str, pa.ChunkedArray], names: tuple[str, ...], known_as: str
) -> list[UserError]:
    """Return one error for each split with labels that are not among `names`, which come from `known_as`."""
    known = {*names, NO_TARGET} if is_no_target(field, names) else set(names)
    return [
        _unknown(field, rows[split], column, unknown, names, known_as)
        for split, column in splits.items()
        if (unknown := sorted(distinct_labels(column) - known))
    ]


def _unknown(
    field: Field, rows: Rows, column: pa.ChunkedArray, unknown: list[str], names: tuple[str, ...], known_as: str
) -> UserError:
    found = rows_with(column, unknown)
    # Numbers that look alike are as different as others, and -1 among them usually stands for no label.
    likely = None if _INTEGER.fullmatch(unknown[0]) else nearest(unknown[0], names)
    guess = f"{quoted(likely)} for {quoted(unknown[0])}?" if likely else "correct the rows,"
    way_on = "leave them out: data.filter=..." if known_as == OF_MODEL else "name every class in data.labels=[...]"
    if _NO_LABEL in unknown:
        guess = f"leave out the rows where {_NO_LABEL} stands for no label, by data.filter;"
    told = shorten_list([escaped(name) for name in unknown], most=10)
    return UserError(
        f"{plural(len(unknown), 'label')} of column {field.column!r} not in {known_as}: {told}",
        where=rows.where(found),
        expected=shorten_list([escaped(name) for name in names]),
        fix=f"{guess} or {way_on}",
    )


def rows_with(column: pa.ChunkedArray, labels: list[str]) -> list[int]:
    """Return the indices of the rows that hold one of these labels."""
    if not pa.types.is_list(column.type):
        return where_true(pc.is_in(column, pa.array(labels)))
    return [index for index, row in enumerate(column.to_pylist()) if not set(labels).isdisjoint(row)]
