"""Find out how a file is written if the recipe does not say: its encoding, delimiter and quotes.

Whatever is found out and is not the usual becomes a note, which the user sees.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from finetune.data.fields import Field, asked_columns
from finetune.data.files.encodings import find_encoding, has_control_bytes
from finetune.data.files.find import SplitFiles
from finetune.data.files.text import ends_in_returns, read_lines
from finetune.errors import UserError
from finetune.recipe import Data

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_RECORDS = 200
"""How many records at the start of a file are compared to find its delimiter."""
_LINES = 1_000_000
"""How many lines at the start of a file are searched for quoted cells."""
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_NOT_TEXT = ("parquet", "saved", "tmx", "xliff")


@dataclass(frozen=True)
class Dialect:
    """A source with what was found out about how it is written.

    Args:
        source: The source; its format may be another than its name says.
        data: The recipe's section, with encoding and delimiter filled in.
        notes: Sentences that say what was found out.
    """

    source: SplitFiles
    data: Data
    notes: tuple[str, ...] = ()

    def with_note(self, note: str) -> "Dialect":
        """Return the dialect with one more sentence about the source."""
        return replace(self, notes=(*self.notes, f"{self.source.name}: {note}"))


def find_dialect(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Dialect:
    """Find out how a source is written, as far as the recipe leaves it open.

    Raises:
        UserError: The encoding or the delimiter of a file is ambiguous, or a file cannot be read.
    """
    if data.delimiter == "\\t":
        data = data.model_copy(update={"delimiter": "\t"})
    dialect = Dialect(source, data)
    if source.format in _NOT_TEXT:
        return dialect
    for step in (_with_encoding, _with_returns, _with_shape, _with_delimiter, _with_quotes):
        dialect = step(dialect, fields)
    return dialect


def _with_encoding(dialect: Dialect, fields: Sequence[Field]) -> Dialect:
    given, paths = dialect.data.encoding, dialect.source.paths
    if given is not None:
        is_latin = given.lower().replace("_", "-") in ("latin-1", "latin1", "iso-8859-1", "iso8859-1")
        if is_latin and any(map(has_control_bytes, paths)):
            return dialect.with_note(
                "bytes from 0x80 to 0x9f are control characters in latin-1; data.encoding=cp1252 reads the quotation "
                "marks and signs of Windows"
            )
        return dialect
    try:
        found = list(dict.fromkeys(find_encoding(path) for path in paths))
    except (OSError, EOFError):  # reading the rows raises the error for it
        return dialect
    if len(found) > 1:
        raise UserError(
            "line-aligned files are in different encodings",
            where=dialect.source.name,
            found=" and ".join(found),
            fix="write them all in utf-8",
        )
    filled = replace(dialect, data=dialect.data.model_copy(update={"encoding": found[0]}))
    return filled if found[0] == "utf-8" else filled.with_note(f"read as {found[0]} (data.encoding)")


def _with_returns(dialect: Dialect, fields: Sequence[Field]) -> Dialect:
    if not any(ends_in_returns(path, dialect.data.encoding) for path in dialect.source.paths):
        return dialect
    return dialect.with_note("lines end with a carriage return alone")


def _with_shape(dialect: Dialect, fields: Sequence[Field]) -> Dialect:
    """Take a table for CoNLL columns if it has no header, and empty lines stand between rows of one word each."""
    source, data = dialect.source, dialect.data
    is_open = source.format in ("csv", "tsv") and not (data.format or data.column_names or data.delimiter)
    if not is_open or {field.kind for field in fields} != {"words", "word_labels"}:
        return dialect
    lines = [line.rstrip("\r\n") for line in islice(_lines(dialect), _RECORDS)]
    while lines and not lines[-1]:
        lines.pop()
    cells = [line.split("\t") for line in lines if line]
    has_header = any(column in cells[0] for column in asked_columns(fields)) if cells else True
    if has_header or "" not in lines or len(set(map(len, cells))) != 1 or len(cells[0]) < 2:
        return dialect
    return replace(dialect, source=replace(source, format="conll")).with_note(
        "read as CoNLL columns, a word a line: it has no header, and empty lines between sentences (data.format)"
    )


def _with_delimiter(dialect: Dialect, fields: Sequence[Field]) -> Dialect:
    """Fill in the one delimiter that gives a table the columns that fields ask for, unless the usual one does."""
    source, data = dialect.source, dialect.data
    if source.format not in ("csv", "tsv") or data.delimiter is not None:
        return dialect
    usual = "," if source.format == "csv" else "\t"
    fits = _fits(data, fields)
    records = {delimiter: list(islice(_records(dialect, delimiter), _RECORDS)) for delimiter in DELIMITERS}
    found = [delimiter for delimiter, rows in records.items() if fits(rows)]
    if data.column_names is not None and usual in found and len(found) > 1 and len(records[usual]) > 1:
        raise _ambiguous(dialect, found)
    if usual in found or not records[usual]:
        return dialect
    if not found and len(records[usual][0]) == 1:  # other names: the message about them needs the right delimiter
        found = [name for name, rows in records.items() if len(rows[0]) > 1 and len(set(map(len, rows))) == 1]
    if len(found) != 1:
        return dialect
    return _delimited(dialect, found[0]).with_note(f"columns are separated by {_name(found[0])} (data.delimiter)")


def _ambiguous(dialect: Dialect, found: Sequence[str]) -> UserError:
    names = dialect.data.column_names or ()
    return UserError(
        "the delimiter is ambiguous: it cannot be told what separates the columns",
        where=dialect.source.name,
        expected=f"{len(names)} columns: {', '.join(names)}",
        found="as many by " + " and by ".join(map(_name, found)),
        fix=f'data.delimiter="{found[-1]}", or whichever it is',
    )


def _with_quotes(dialect: Dialect, fields: Sequence[Field]) -> Dialect:
    """Read a table of tabs as csv if its cells are in double quotes; add a note if only some of them seem to be."""
    source, data = dialect.source, dialect.data
    if source.format != "tsv" or data.format == "tsv" or data.delimiter not in (None, "\t"):
        return dialect
    quoted = other = doubled = 0
    has_quoted_header = False
    for number, line in enumerate(islice(_lines(dialect), _LINES)):
        if '"' not in line:
            continue
        cells = [cell for cell in line.rstrip("\r\n").split("\t") if '"' in cell]
        good = [cell for cell in cells if _QUOTED.fullmatch(cell)]
        quoted, other = quoted + len(good), other + len(cells) - len(good)
        doubled += sum('""' in cell[1:-1] for cell in good)
        has_quoted_header |= number == 0 and len(good) == len(line.split("\t"))
    if quoted and not other and (doubled or has_quoted_header):
        return _delimited(dialect, "\t").with_note(
            "cells are in double quotes, and inner quotes doubled; data.format=tsv reads quotes as they stand"
        )
    if doubled:
        return dialect.with_note(
            f"{doubled:,} cells are in double quotes with inner ones doubled, and {other:,} hold quotes otherwise: "
            'all are read as they stand; data.format=csv data.delimiter="\\t" reads quoted cells'
        )
    return dialect


def _delimited(dialect: Dialect, delimiter: str) -> Dialect:
    """Return the dialect of a csv file with a delimiter."""
    data = dialect.data.model_copy(update={"delimiter": delimiter})
    return replace(dialect, source=replace(dialect.source, format="csv"), data=data)


def _fits(data: Data, fields: Sequence[Field]) -> Callable[[Sequence[Sequence[str]]], bool]:
    """Return a function that says whether records have the columns that fields ask for.

    It compares the names in the header, or the number of cells if the recipe names the columns. Without fields and
    names no header fits, so that the delimiter is told by the number of cells in each row.
    """
    names, asked = data.column_names, set(asked_columns(fields))

    def fits(records: Sequence[Sequence[str]]) -> bool:
        if names is not None:
            return bool(records) and all(len(record) == len(names) for record in records)
        return bool(records) and bool(asked) and asked <= {cell.strip() for cell in records[0]}

    return fits


def _records(dialect: Dialect, delimiter: str) -> Iterator[list[str]]:
    lines = read_lines(dialect.source.paths[0], dialect.data.encoding, newline="")
    try:
        for cells in csv.reader(lines, delimiter=delimiter):
            if cells:
                yield cells
    except csv.Error:
        return


def _lines(dialect: Dialect) -> Iterator[str]:
    return read_lines(dialect.source.paths[0], dialect.data.encoding)


def _name(delimiter: str) -> str:
    return f"{DELIMITERS[delimiter]} {delimiter!r}" if delimiter != "\t" else DELIMITERS[delimiter]
