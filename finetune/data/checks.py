"""Columns of every split, turned into their final form; all that is wrong with them is told at once."""

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.columns import canonical_column, where_true
from finetune.data.fields import Field
from finetune.data.messages import plural, raise_merged
from finetune.data.numbered_spans import spans_outside
from finetune.data.rows import Rows
from finetune.data.targets import infer_label_kinds
from finetune.errors import UserError

ArrowColumns = dict[str, pa.ChunkedArray]
"""Checked columns of one split, by the fields' names."""


def checked_columns(
    rows: Mapping[str, Rows], fields: Sequence[Field], held: Mapping[str, Sequence[Field]] | None = None
) -> dict[str, ArrowColumns]:
    """Return each split's columns: strings, or lists of strings of equal length for words and their labels.

    Args:
        rows: The rows of each split.
        fields: What the task reads.
        held: The fields of each split, where some split lacks one.

    Raises:
        UserError: Splits without rows, values of another type, rows without content, unequal lengths, spans outside of
            their text.
    """
    raise_merged([UserError("there are no examples", where=part.name) for part in rows.values() if len(part) == 0])
    fields = infer_label_kinds(fields, next(iter(rows.values())))
    columns: dict[str, ArrowColumns] = {split: {} for split in rows}
    errors = []
    for split, part in rows.items():
        for field in held[split] if held else fields:
            try:
                columns[split][field.name] = canonical_column(part, field)
            except UserError as error:
                errors.append(error)
    raise_merged(errors)
    raise_merged([error for split, part in rows.items() for error in _unequal_lengths(part, fields, columns[split])])
    raise_merged([error for split, part in rows.items() for error in _outside(part, fields, columns[split])])
    return columns


def _outside(rows: Rows, fields: Sequence[Field], columns: ArrowColumns) -> Iterator[UserError]:
    for field in fields:
        if field.kind == "spans" and field.text is not None:
            error = spans_outside(rows, field, columns[field.name], columns[field.text])
            if error is not None:
                yield error


def _unequal_lengths(rows: Rows, fields: Sequence[Field], columns: ArrowColumns) -> Iterator[UserError]:
    for words in (field for field in fields if field.kind == "words"):
        for labels in (field for field in fields if field.kind == "word_labels"):
            num_words = pc.list_value_length(columns[words.name])
            num_labels = pc.list_value_length(columns[labels.name])
            wrong = where_true(pc.not_equal(num_words, num_labels))
            if wrong:
                yield UserError(
                    f"{plural(len(wrong), 'row')} with another number of labels than of words",
                    where=rows.where(wrong),
                    expected=f"one label in {labels.column!r} for each word in {words.column!r}",
                    found=f"{num_words[wrong[0]]} words and {num_labels[wrong[0]]} labels in the first of them",
                    fix="correct or remove these rows",
                )
