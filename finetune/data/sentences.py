"""Sentences of data that hold one word a row, with a column that tells which rows are a sentence."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.fields import Field
from finetune.data.messages import plural, raise_merged
from finetune.data.rows import ColumnValues, Rows, join
from finetune.errors import UserError

KEY = "data.columns.sentence"
_FEWEST_ROWS = 20
"""With fewer rows, that nearly all hold one word means nothing."""
_SHARE = 0.95


def fill_sentences(rows: Rows, name: str) -> Rows:
    """Return the rows with the sentence of the row before in each cell of the column that is empty.

    Args:
        rows: One word a row; the files of a split apart.
        name: The column that tells the sentence.

    Raises:
        UserError: The first row has no sentence.
    """
    filled: list[Any] = []
    for part in rows.parts or (rows,):
        last: Any = None
        for value in _values(part.columns[name]):
            last = last if value is None else str(value).strip() or last
            filled.append(last)
        if len(part) and filled[-len(part)] is None:
            raise UserError(
                f"the first row has no sentence in column {name!r}",
                where=part.where([0]),
                expected="what tells the sentence in its first row; empty cells go on with the sentence before",
                fix=f"fill the cell, or {KEY}=... names another column",
            )
    return rows.with_column(name, filled)


def group_sentences(rows: Rows, fields: Sequence[Field], name: str) -> Rows:
    """Return one row a sentence: the words and what is given to each word as lists, of other columns the first value.

    Args:
        rows: One word a row.
        fields: What the task reads of them.
        name: The column that tells the sentence, without empty cells.

    Raises:
        UserError: A row holds a list of words, or the rows of a sentence do not follow each other.
    """
    if rows.parts:
        return join([group_sentences(part, fields, name) for part in rows.parts])
    by_word = [field.column for field in fields if field.kind in ("words", "word_labels")]
    raise_merged([error for column in by_word if (error := _no_word(rows, column)) is not None])
    sentences = _values(rows.columns[name])
    starts = [index for index, value in enumerate(sentences) if index == 0 or value != sentences[index - 1]]
    _refuse_scattered(rows, name, sentences, starts)
    spans = list(pairwise([*starts, len(rows)]))
    first = rows.take(starts)
    columns: Mapping[str, ColumnValues] = {
        column: _grouped(values, spans) if column in by_word else first.columns[column]
        for column, values in rows.columns.items()
    }
    return Rows(rows.name, columns, rows.unit, first.numbers, rows.class_names)


def refuse_single_words(rows: Rows, field: Field, words: pa.ChunkedArray) -> None:
    """Refuse data in which nearly every row holds one word: rows are to hold sentences.

    Args:
        rows: The rows of a split.
        field: That of the words.
        words: The words of each row: list<string>.

    Raises:
        UserError: At least 95 % of 20 rows or more hold one word.
    """
    count = pc.sum(pc.equal(pc.list_value_length(words), 1)).as_py() or 0
    if len(rows) >= _FEWEST_ROWS and count >= _SHARE * len(rows):
        raise UserError(
            f"{count:,} of {len(rows):,} rows hold one word in column {field.column!r}, and rows are to hold sentences",
            where=rows.name,
            expected="the words of a sentence in each row; in conll files, an empty line between sentences",
            found=f"{words[0].as_py()[0]!r:.60} in the first row",
            fix=f"{KEY}=... names a column that tells which rows are a sentence: its number in each row, or in the "
            "first row alone. A column that differs in every row keeps each word a sentence of its own",
        )


def _values(column: ColumnValues) -> list[Any]:
    return column if isinstance(column, list) else column.to_pylist()


def _grouped(column: ColumnValues, spans: Sequence[tuple[int, int]]) -> ColumnValues:
    """Return lists of the values between two indices each; a csv cell is one word, whatever blanks it holds."""
    if isinstance(column, list):
        return [[str(value).strip() for value in column[start:end]] for start, end in spans]
    values = column.to_pylist()
    return pa.chunked_array([pa.array([values[start:end] for start, end in spans], pa.list_(column.type))])


def _no_word(rows: Rows, column: str) -> UserError | None:
    values = _values(rows.columns[column])
    lists = [index for index, value in enumerate(values) if isinstance(value, list | tuple)]
    if lists:
        return UserError(
            f"column {column!r} holds lists, and {KEY} is for data of one word a row",
            where=rows.where(lists),
            found=f"{values[lists[0]]!r:.80}",
            fix=f"{KEY}=null",
        )
    empty = [index for index, value in enumerate(values) if value is None or not str(value).strip()]
    if empty:
        return UserError(
            f"{plural(len(empty), 'row')} with nothing in column {column!r}",
            where=rows.where(empty),
            expected="a word with its label in each row",
            fix="fill or remove these rows, or leave them out by data.filter",
        )
    return None


def _refuse_scattered(rows: Rows, name: str, sentences: Sequence[Any], starts: Sequence[int]) -> None:
    seen: set[Any] = set()
    again = []
    for start in starts:
        if sentences[start] in seen:
            again.append(start)
        seen.add(sentences[start])
    if again:
        raise UserError(
            f"the rows of {plural(len(again), 'sentence')} in column {name!r} do not follow each other",
            where=rows.where(again),
            expected="the words of a sentence in rows one after another, and no two sentences with the same value",
            found=f"{sentences[again[0]]!r:.60} again, after another sentence",
            fix="sort the rows by sentence and word, or give each sentence a value of its own",
        )
