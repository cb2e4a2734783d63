"""Read inputs in the way in which the files were read that the model was trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune import recipe
from finetune.data import Field
from finetune.data.fields import asked_columns
from finetune.data.files.bad_rows import BadRow
from finetune.data.files.dialects import Dialect, find_dialect
from finetune.data.files.find import SplitFiles
from finetune.data.files.text import read_lines
from finetune.errors import UserError
from finetune.serve.examples import InputRow
from finetune.serve.formats import Format, Input

_TABLES = ("csv", "tsv")


def as_trained(
    given: Input, format_: Format, data: recipe.Data, fields: Sequence[Field]
) -> tuple[Input, tuple[str, ...]]:
    """Return the input with its format, encoding, delimiter and column names filled in, and notes for the user.

    Values that the caller gives are kept. Those that are left open are taken from the file itself if it shows them,
    and from the model's recipe otherwise.

    Args:
        given: The input.
        format_: The format that the caller or the file's name says.
        data: The `data` section of the model's recipe.
        fields: What the task reads of a row.
    """
    if given.path is None or not given.path.is_file() or format_ == "parquet":
        delimiter = given.delimiter or (data.delimiter if format_ in _TABLES else None)
        return replace(given, encoding=given.encoding or data.encoding or "utf-8", delimiter=delimiter), ()
    names = given.column_names or _names_of_recipe(given, given.path, format_, data, fields)
    dialect = _dialect(given, given.path, format_, names, data, fields)
    notes = [*dialect.notes]
    if names is not None and names != given.column_names:
        notes.append(f"{given.path}: columns are named by the model's recipe (data.column_names): {', '.join(names)}")
    found: Any = dialect.source.format
    completed = replace(
        given,
        format=found,
        encoding=dialect.data.encoding or "utf-8",
        delimiter=dialect.data.delimiter,
        column_names=names,
    )
    return completed, tuple(notes)


def _dialect(
    given: Input,
    path: Path,
    format_: Format,
    names: tuple[str, ...] | None,
    data: recipe.Data,
    fields: Sequence[Field],
) -> Dialect:
    """Find out how a file is written, as far as the caller and the recipe leave it open."""
    section = recipe.Data(
        path=str(path),
        format=None if given.format not in _TABLES else given.format,
        encoding=given.encoding,
        delimiter=given.delimiter or _delimiter_of_recipe(path, format_, data, fields),
        column_names=names,
    )
    source = SplitFiles(format_, (path,))
    try:
        return find_dialect(source, section, fields)
    except UserError:  # rows with bytes that are not in the encoding are reported one by one
        encoding = given.encoding or data.encoding or "utf-8"
        return find_dialect(source, section.model_copy(update={"encoding": encoding}), fields)


def grouped(rows: Iterator[InputRow], sentence: str, fields: Sequence[Field]) -> Iterator[InputRow]:
    """Join rows of one word each into rows of one sentence each, as training does with `data.columns.sentence`.

    Rows that do not have the column, or that hold a list of words, are returned as they are.

    Args:
        rows: Rows in the file's order.
        sentence: The column that names the sentence, in each row or in the first row of a sentence alone.
        fields: What the task reads of a sentence.
    """
    by_word = [field.column for field in fields if field.kind == "words"]
    held: InputRow | None = None
    last: str | None = None
    for row in rows:
        if row.problem or sentence not in row.columns or _holds_lists(row, by_word):
            if held is not None:
                yield held
            held, last = None, None
            yield row
            continue
        given = row.columns[sentence]
        value = ("" if given is None else str(given).strip()) or last
        if held is not None and value != last:
            yield held
            held = None
        if value is None:
            yield replace(row, problem=BadRow(f"no sentence in column {sentence!r}, and none before", of_file=True))
            continue
        held, last = _with_word(held, row, by_word), value
    if held is not None:
        yield held


def _holds_lists(row: InputRow, by_word: Sequence[str]) -> bool:
    return any(isinstance(row.columns.get(column), list) for column in by_word)


def _with_word(held: InputRow | None, row: InputRow, by_word: Sequence[str]) -> InputRow:
    """Return the sentence at hand with one more word; other columns keep the value of the sentence's first row."""
    words = {column: str(row.columns[column] or "").strip() for column in by_word if column in row.columns}
    if held is None:
        return replace(row, columns={**row.columns, **{column: [word] for column, word in words.items()}})
    for column, word in words.items():
        held.columns[column].append(word)
    return held


def _names_of_recipe(
    given: Input, path: Path, format_: Format, data: recipe.Data, fields: Sequence[Field]
) -> tuple[str, ...] | None:
    """Return the recipe's column names if the first row has as many cells and is no header, and None otherwise."""
    if data.column_names is None or format_ not in _TABLES:
        return None
    delimiter = given.delimiter or data.delimiter or ("," if format_ == "csv" else "\t")
    cells = _first_row(path, given.encoding or data.encoding, delimiter)
    is_header = set(asked_columns(fields)) <= set(cells)
    return data.column_names if len(cells) == len(data.column_names) and not is_header else None


def _delimiter_of_recipe(path: Path, format_: Format, data: recipe.Data, fields: Sequence[Field]) -> str | None:
    """Return the recipe's delimiter if the header has the columns by it, or the file has no header."""
    if data.delimiter is None or format_ not in _TABLES:
        return None
    delimiter = data.delimiter.replace("\\t", "\t")
    has_columns = set(asked_columns(fields)) <= set(_first_row(path, data.encoding, delimiter))
    return delimiter if has_columns or data.column_names is not None else None


def _first_row(path: Path, encoding: str | None, delimiter: str) -> list[str]:
    try:
        line = next(read_lines(path, encoding), "")
    except UserError:
        return []
    return [cell.strip().strip('"') for cell in line.rstrip("\r\n").split(delimiter)]
