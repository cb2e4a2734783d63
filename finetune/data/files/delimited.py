"""Comma- and tab-separated values."""

import csv
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from finetune.data.batched import batched
from finetune.data.fields import Field, asked_columns
from finetune.data.files.find import SplitFiles
from finetune.data.files.text import read_lines
from finetune.data.messages import missing_columns, places, plural
from finetune.data.rows import Rows
from finetune.errors import UserError, raise_all
from finetune.recipe import Data

_LONGEST_CELL = 2**31 - 1
"""Bytes; the csv module refuses cells over 128 KiB unless told otherwise, and articles are longer."""

NumberedRow = tuple[int, list[str]]
"""A row's first line, from 1, and its cells."""


def read_csv(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Rows of a csv file: cells in double quotes may hold the delimiter and line breaks (RFC 4180).

    Raises:
        UserError: Broken quoting, ragged rows, missing columns, or a file that cannot be read.
    """
    delimiter = _csv_delimiter(data)
    path = source.paths[0]
    records = _csv_records(path, delimiter, data.encoding)
    return _rows(path, _header(path, records, data, fields), records, fields)


def stream_delimited(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Iterator[Rows]:
    """The rows of a csv or tsv file, some at a time.

    Raises:
        UserError: As for the whole.
    """
    path = source.paths[0]
    if source.format == "csv":
        records = _csv_records(path, _csv_delimiter(data), data.encoding)
    else:
        records = _tsv_records(path, data)
    header = _header(path, records, data, fields)
    for piece in batched(records):
        yield _rows(path, header, piece, fields)


def read_tsv(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Rows of a tab-separated file, one a line; quotes are ordinary characters.

    Raises:
        UserError: Ragged rows, missing columns, or a file that cannot be read.
    """
    path = source.paths[0]
    records = _tsv_records(path, data)
    return _rows(path, _header(path, records, data, fields), records, fields)


def _csv_delimiter(data: Data) -> str:
    delimiter = data.delimiter or ","
    if len(delimiter) != 1:
        raise UserError(
            "csv needs a delimiter of one character",
            where=f"data.delimiter={delimiter}",
            fix="data.format=tsv takes any",
        )
    return delimiter


def _tsv_records(path: Path, data: Data) -> Iterator[NumberedRow]:
    delimiter = data.delimiter or "\t"
    lines = enumerate(read_lines(path, data.encoding), start=1)
    return ((number, line.rstrip("\r\n").split(delimiter)) for number, line in lines if line.strip("\r\n"))


def _csv_records(path: Path, delimiter: str, encoding: str | None) -> Iterator[NumberedRow]:
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(read_lines(path, encoding, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            if cells:
                yield start, cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            "the row's quoting is broken",
            where=places(str(path), "line", [start]),
            expected='cells with quotes, commas or line breaks in double quotes, inner quotes doubled: "a ""b"" c"',
            found=str(error),
            fix="correct the row; data.format=tsv with data.delimiter takes quotes as they stand",
        ) from None


def _header(path: Path, records: Iterator[NumberedRow], data: Data, fields: Sequence[Field]) -> tuple[str, ...]:
    header = data.column_names or tuple(name.strip() for name in next(records, (1, []))[1])
    _check_header(path, header, data, fields)
    return header


def _rows(path: Path, header: Sequence[str], records: Iterable[NumberedRow], fields: Sequence[Field]) -> Rows:
    columns: dict[str, list[str]] = {column: [] for column in asked_columns(fields)}
    targets = [(header.index(column), values) for column, values in columns.items()]
    numbers, ragged = array("q"), []
    for number, cells in records:
        if len(cells) != len(header):
            ragged.append((number, len(cells)))
            continue
        numbers.append(number)
        for position, values in targets:
            values.append(cells[position])
    if ragged:
        raise _ragged(path, ragged, header)
    return Rows(name=str(path), columns=columns, unit="line", numbers=numbers)


def _check_header(path: Path, header: Sequence[str], data: Data, fields: Sequence[Field]) -> None:
    hint = "" if data.column_names else ", or data.column_names=[...] where the file has no header"
    if len(header) == 1:
        hint += "; data.delimiter=... where the columns are separated otherwise"
    raise_all(missing_columns(str(path), fields, header, hint))
    twice = [column for column in asked_columns(fields) if header.count(column) > 1]
    if twice:
        raise UserError(f"the column {twice[0]!r} occurs twice", where=f"{path}, line 1", fix="rename one of them")


def _ragged(path: Path, ragged: list[tuple[int, int]], header: Sequence[str]) -> UserError:
    first, count = ragged[0]
    return UserError(
        f"{plural(len(ragged), 'row')} with another number of cells than there are columns",
        where=places(str(path), "line", [number for number, _ in ragged]),
        expected=f"{plural(len(header), 'cell')}: {', '.join(header)}",
        found=f"{plural(count, 'cell')} in line {first}",
        fix="correct these rows (in csv, a cell that holds the delimiter stands in double quotes), or data.delimiter",
    )
