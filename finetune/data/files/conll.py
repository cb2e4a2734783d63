"""CoNLL columns: a word a line with its label, and an empty line between sentences."""

import re
from array import array
from collections.abc import Iterator, Sequence

from finetune.data.fields import Field, asked_columns
from finetune.data.files.find import Source
from finetune.data.files.text import read_lines
from finetune.data.problems import missing_columns, places, plural
from finetune.data.rows import Rows
from finetune.errors import UserError, raise_all
from finetune.recipe import Data

_BLANKS = re.compile(r"[ \t]+")
"""Only these separate columns: a no-break space may be a word."""

Line = tuple[int, list[str]]
"""A line's number, from 1, and its cells; none where a sentence ends."""


def read_conll(source: Source, data: Data, fields: Sequence[Field]) -> Rows:
    """Sentences of a file of columns; without data.column_names the first are the words and the last their labels.

    Lines that begin with -DOCSTART- are skipped, and so are comments: lines that begin with # and have another number
    of columns than the rest (in tweets, # also begins words).

    Raises:
        UserError: Lines with another number of columns, empty cells, missing columns, or a file that cannot be read.
    """
    path = source.paths[0]
    width = len(data.column_names) if data.column_names else _width(_lines(source, data))
    positions = _positions(str(path), width, data, fields)
    columns: dict[str, list[list[str]]] = {column: [] for column in positions}
    starts, ragged, empty = array("q"), [], []
    sentence: list[list[str]] = []
    for number, cells in _lines(source, data):
        if len(cells) == width:
            if not sentence:
                starts.append(number)
                sentence = [[] for _ in positions]
                for sentences, words in zip(columns.values(), sentence, strict=True):
                    sentences.append(words)
            taken = [cells[position] for position in positions.values()]
            if "" in taken:
                empty.append(number)
            for words, cell in zip(sentence, taken, strict=True):
                words.append(cell)
        elif not cells:
            sentence = []
        elif not _is_comment(cells):
            ragged.append((number, len(cells)))
    _check(str(path), width, ragged, empty)
    return Rows(name=str(path), columns=columns, unit="line", numbers=starts)


def _lines(source: Source, data: Data) -> Iterator[Line]:
    for number, line in enumerate(read_lines(source.paths[0], data.encoding), start=1):
        text = line.rstrip("\r\n")
        if not text.strip(" \t") or text.startswith("-DOCSTART-"):
            yield number, []
        elif data.delimiter or "\t" in text:
            yield number, text.split(data.delimiter or "\t")
        else:
            yield number, _BLANKS.split(text.strip(" "))


def _width(lines: Iterator[Line]) -> int:
    """How many columns the first line has that is no comment for sure."""
    return next((len(cells) for _, cells in lines if cells and not _is_comment(cells)), 2)


def _is_comment(cells: Sequence[str]) -> bool:
    return cells[0].startswith("#")


def _positions(name: str, width: int, data: Data, fields: Sequence[Field]) -> dict[str, int]:
    """Which column of the file each asked column is."""
    if data.column_names:
        raise_all(missing_columns(name, fields, data.column_names))
        return {column: data.column_names.index(column) for column in asked_columns(fields)}
    if width < 2:
        raise UserError(
            "there is only one column",
            where=name,
            expected="a word and its label in each line",
            fix="data.delimiter=... where the columns are separated by something else than blanks or tabs",
        )
    by_kind = {"words": 0, "word_labels": width - 1}
    others = [field for field in fields if field.kind not in by_kind]
    raise_all(missing_columns(name, others, ["words", "labels"], "; data.column_names=[...] names the columns"))
    return {field.column: by_kind[field.kind] for field in fields}


def _check(name: str, width: int, ragged: list[tuple[int, int]], empty: list[int]) -> None:
    if ragged:
        line, count = ragged[0]
        raise UserError(
            f"{plural(len(ragged), 'line')} with another number of columns than the rest",
            where=places(name, "line", [number for number, _ in ragged]),
            expected=f"{plural(width, 'column')}, and an empty line between sentences",
            found=f"{plural(count, 'column')} in line {line}",
            fix="correct these lines, or data.delimiter=... and data.column_names=[...]",
        )
    if empty:
        raise UserError(
            f"{plural(len(empty), 'line')} with an empty word or label",
            where=places(name, "line", empty),
            fix="fill or remove the cells",
        )
