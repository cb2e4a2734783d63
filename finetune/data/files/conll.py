"""CoNLL columns: one word and its label in each line, and an empty line between sentences."""

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice

from finetune.data.fields import Field
from finetune.data.files.find import SplitFiles
from finetune.data.files.text import read_lines
from finetune.data.messages import missing_columns, places, plural
from finetune.data.rows import Rows
from finetune.errors import UserError, raise_all
from finetune.recipe import Data

_BLANKS = re.compile(r"[ \t]+")
"""Blanks that separate columns; others do not, since a no-break space may be a word."""

Line = tuple[int, list[str]]
"""A line's number, counted from 1, and its cells; no cells in a line that ends a sentence."""

_CONLLU = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
"""The columns of CoNLL-U, https://universaldependencies.org/format.html."""

_NO_WORD = re.compile(r"\d+[-.]\d+")
"""Numbers of CoNLL-U lines that are no words: a range of words that are written as one, and an empty node."""

_ENTITY = re.compile(r"O|[BIESMLU]-\S+")
"""Labels of entities in all schemes: IOB, BIOES, BMES and BILOU."""


def read_conll(source: SplitFiles, data: Data, fields: Sequence[Field], most_lines: int | None = None) -> Rows:
    """Return the sentences of a file of columns.

    The columns are those of `data.column_names`; without it, the first column holds the words and the last their
    labels. If the first column counts the words of each sentence, the second holds the words, and lines with the number
    of a range or of an empty node (1-2, 5.1) are skipped; ten such columns are those of CoNLL-U.

    Lines that begin with -DOCSTART- are skipped, and so are comments. Since # also begins words, as in tweets, a line
    that begins with it is a comment only if it has another number of columns than the rest, or if it stands before a
    sentence and does not end in a label of another line.

    Args:
        source: The file.
        data: The recipe's section, which says how the file is read.
        fields: What to read.
        most_lines: The number of lines of the file that are read; all of them where None.

    Raises:
        UserError: Lines with another number of columns, empty cells, missing columns, or a file that cannot be read.
    """
    name = str(source.paths[0])
    reader = partial(_lines, source, data, most_lines)
    width = len(data.column_names) if data.column_names else _width(reader())
    is_numbered = _is_numbered(reader(), width)
    names = data.column_names or (_CONLLU if is_numbered and width == len(_CONLLU) else None)
    positions = _positions(name, width, names, fields, is_numbered=is_numbered)
    at = next((positions[field.column] for field in fields if field.kind == "word_labels"), None)
    columns: dict[str, list[list[str]]] = {column: [] for column in positions}
    starts, ragged, empty = array("q"), [], []
    sentence: list[list[str]] = []  # the words of the sentence at hand, and its other columns
    for number, cells in _without_comments(reader, width, at, is_numbered=is_numbered):
        if not cells:
            sentence = []
        elif len(cells) != width:
            ragged.append((number, len(cells)))
        else:
            if not sentence:
                starts.append(number)
                sentence = [[] for _ in positions]
                for sentences, words in zip(columns.values(), sentence, strict=True):
                    sentences.append(words)
            taken = [cells[position] for position in positions.values()]
            empty += [number] if "" in taken else []
            for words, cell in zip(sentence, taken, strict=True):
                words.append(cell)
    _check(name, width, ragged, empty)
    return Rows(name, columns, unit="line", numbers=starts)


def _without_comments(
    reader: Callable[[], Iterator[Line]], width: int, at: int | None, *, is_numbered: bool
) -> Iterator[Line]:
    """Return the lines that hold words or end sentences, and those with a wrong number of columns.

    Args:
        reader: Reads the lines of the file from the first one on.
        width: The number of columns.
        at: The position of the labels; None if no field reads them.
        is_numbered: Whether the first column counts the words.
    """
    labels = set() if at is None else _labels(reader(), width, at)
    is_first = True  # of its sentence
    for number, cells in reader():
        if not cells:
            is_first = True
        elif len(cells) == width:
            is_comment = is_first and at is not None and cells[0] == "#" and not _is_label(cells[at], labels)
            if is_comment or (is_numbered and _NO_WORD.fullmatch(cells[0])):
                continue
            is_first = False
        elif _is_comment(cells):
            continue
        yield number, cells


def conll_columns(source: SplitFiles, data: Data, most_lines: int | None = None) -> tuple[str, ...]:
    """Return a name for each column: those of the recipe or of CoNLL-U, or else `tokens`, `column_2`, ..., `labels`.

    Args:
        source: The file.
        data: The recipe's section, which says how the file is read.
        most_lines: The number of lines that are looked at; all of them where None.

    Raises:
        UserError: The file cannot be read.
    """
    if data.column_names:
        return data.column_names
    width = _width(_lines(source, data, most_lines))
    is_numbered = _is_numbered(_lines(source, data, most_lines), width)
    if is_numbered and width == len(_CONLLU):
        return _CONLLU
    named = {int(is_numbered): "tokens", width - 1: "labels"}
    return tuple(named.get(position, f"column_{position + 1}") for position in range(width))


def _lines(source: SplitFiles, data: Data, most: int | None = None) -> Iterator[Line]:
    """Return the cells of every line, or of the first ones, comments included."""
    for number, line in enumerate(islice(read_lines(source.paths[0], data.encoding), most), start=1):
        text = line.rstrip("\r\n")
        if not text.strip(" \t") or text.startswith("-DOCSTART-"):
            yield number, []
        elif data.delimiter or "\t" in text:
            yield number, text.split(data.delimiter or "\t")
        else:
            yield number, _BLANKS.split(text.strip(" "))


def _width(lines: Iterator[Line]) -> int:
    """Return the number of columns of the first line that is certainly no comment; 2 if there is none."""
    return next((len(cells) for _, cells in lines if cells and not _is_comment(cells)), 2)


def _is_comment(cells: Sequence[str]) -> bool:
    """Return whether a line may be a comment; one with as many columns as the others may also be a word."""
    return cells[0].startswith("#")


def _labels(lines: Iterator[Line], width: int, position: int) -> set[str]:
    """Return the labels of all lines that are certainly no comments."""
    return {cells[position] for _, cells in lines if len(cells) == width and cells[0] != "#"}


def _is_label(cell: str, labels: set[str]) -> bool:
    """Return whether a cell is a label of other lines, or looks like an entity's; comments do not end in either."""
    return cell in labels or _ENTITY.fullmatch(cell) is not None


def _is_numbered(lines: Iterator[Line], width: int) -> bool:
    """Return whether the first column counts the words of every sentence from 1, and a sentence has two words."""
    count, most = 0, 0
    for _, cells in lines:
        if not cells:
            count = 0
        elif len(cells) == width and not _is_comment(cells) and not _NO_WORD.fullmatch(cells[0]):
            count += 1
            most = max(most, count)
            if cells[0] != str(count):
                return False
    return most > 1


def _positions(
    name: str, width: int, names: Sequence[str] | None, fields: Sequence[Field], *, is_numbered: bool
) -> dict[str, int]:
    """Return the position in the file of each column that a field asks for.

    Raises:
        UserError: A column is missing, or the file has too few columns.
    """
    if names is not None:
        known = {field.column: "form" for field in fields if names is _CONLLU and field.kind == "words"}
        named = [replace(field, column=known.get(field.column, field.column)) for field in fields]
        raise_all(missing_columns(name, named, names))
        return {field.column: names.index(one.column) for field, one in zip(fields, named, strict=True)}
    if width < 2:
        raise UserError(
            "there is only one column",
            where=name,
            expected="a word and its label in each line",
            fix="data.delimiter=... where the columns are separated by something else than blanks or tabs",
        )
    if is_numbered and width == 2:
        raise UserError(
            "the first column counts the words of each sentence, and there is only one more",
            where=name,
            expected="a word and its label in each line",
            fix="data.column_names=[...] names the columns, where the numbers are words",
        )
    by_kind = {"words": int(is_numbered), "word_labels": width - 1}
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
