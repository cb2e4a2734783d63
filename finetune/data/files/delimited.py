"""Comma- and tab-separated values."""

import csv
import sys
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from finetune.data.batched import batched
from finetune.data.fields import Field, asked_columns
from finetune.data.files.bad_rows import BadRow, CellRow, RejectedRows
from finetune.data.files.find import SplitFiles
from finetune.data.files.options import RECIPE_KEYS, OptionNames
from finetune.data.files.text import read_lines
from finetune.data.messages import missing_columns, places, plural
from finetune.data.rows import Rows
from finetune.errors import UserError, raise_all
from finetune.recipe import Data

_LONGEST_CELL = 2**31 - 1
"""Characters of a cell; the default limit of the csv module, 128 KiB, is too small for articles."""


def read_delimited(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Return the rows of a csv or tsv file.

    Raises:
        UserError: Broken quoting, rows with another number of cells than the header, missing columns, or a file that
            cannot be read.
    """
    header, records = _header_and_rows(source, data, fields)
    return _rows(source.paths[0], header, records, fields)


def stream_delimited(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Iterator[Rows]:
    """Return the rows of a csv or tsv file, some at a time.

    Raises:
        UserError: The same errors as those of `read_delimited`; of wrong rows, those of the piece at hand are reported.
    """
    header, records = _header_and_rows(source, data, fields)
    for piece in batched(records):
        yield _rows(source.paths[0], header, piece, fields)


def table_columns(source: SplitFiles, data: Data) -> tuple[str, ...]:
    """Return the names of all columns of a csv or tsv file: those that the recipe gives, or else the first row.

    Raises:
        UserError: The file is empty, its first row is broken, or it cannot be read.
    """
    return _header_and_rows(source, data, ())[0]


def tsv_rows(lines: Iterable[str], delimiter: str) -> Iterator[CellRow]:
    """Return the cells of each line that is not empty; quotes are ordinary characters.

    Args:
        lines: Lines with their ends.
        delimiter: One or more characters that separate cells.
    """
    for number, line in enumerate(lines, start=1):
        if line.strip("\r\n"):
            yield number, line.rstrip("\r\n").split(delimiter)


def csv_rows(lines: Iterable[str], delimiter: str, longest: int | None = None) -> Iterator[CellRow]:
    """Return the cells of each row; cells in double quotes may hold the delimiter and line breaks (RFC 4180).

    A line with which a row of broken quoting begins is a bad row, and the next line begins another row.

    Args:
        lines: Lines with their ends, of which those of the row at hand are held.
        delimiter: One character that separates cells.
        longest: How many lines a row may have; None for no limit. A quote that is never closed would otherwise make
            one cell of all that follows.
    """
    csv.field_size_limit(_LONGEST_CELL)
    rest = iter(lines)
    taken: list[str] = []  # the lines of the row at hand
    waiting: deque[str] = deque()  # lines of a row whose quoting is broken, but the first
    start = 1
    while True:
        reader = csv.reader(_recorded(rest, waiting, taken, longest), delimiter=delimiter, strict=True)
        try:
            for cells in reader:
                if cells:
                    yield start, cells
                start += len(taken)
                taken.clear()
            return
        except (csv.Error, _TooManyLines) as error:
            yield start, BadRow(f"broken quoting: {error}", of_file=True, kind="quoting", found=str(error))
            waiting.extendleft(reversed(taken[1:]))
            start += 1
            taken.clear()


class _TooManyLines(Exception):
    """A csv row of more lines than allowed."""


def _recorded(rest: Iterator[str], waiting: deque[str], taken: list[str], longest: int | None) -> Iterator[str]:
    """Return the lines that wait and then the rest, each of which is appended to those that are taken."""
    most = sys.maxsize if longest is None else longest
    for line in chain(_drained(waiting), rest):
        taken.append(line)
        if len(taken) > most:
            raise _TooManyLines(f"a quoted cell does not end within {longest:,} lines")
        yield line


def _drained(waiting: deque[str]) -> Iterator[str]:
    while waiting:
        yield waiting.popleft()


def bad_cells(cells: list[str] | BadRow, width: int) -> BadRow:
    """Return the bad row for cells that are not as many as there are columns; a bad row as it is.

    Args:
        cells: The cells.
        width: The number of columns.
    """
    if isinstance(cells, BadRow):
        return cells
    found = plural(len(cells), "cell")
    return BadRow(f"{found} in place of {width}", of_file=True, kind="cells", found=found)


def read_header(
    name: str,
    records: Iterator[CellRow],
    column_names: tuple[str, ...] | None,
    fields: Sequence[Field],
    options: OptionNames,
) -> tuple[str, ...]:
    """Return the names of a table's columns: those given, or else the cells of the first row.

    Args:
        name: The file.
        records: The rows; the first one is taken unless names are given.
        column_names: Names of the columns of a file that has no header.
        fields: What the task reads, by columns that must be there.
        options: How messages name the options.

    Raises:
        UserError: A column that the task reads is missing or occurs twice, or there is no header.
    """
    header = column_names or _first_row(name, records, options)
    hint = "" if column_names else ", or data.column_names=[...] where the file has no header"
    if len(header) == 1:
        hint += f"; {options.assign('delimiter', '...')} where the columns are separated otherwise"
    raise_all(missing_columns(name, fields, header, hint))
    twice = [column for column in asked_columns(fields) if header.count(column) > 1]
    if twice:
        raise UserError(f"the column {twice[0]!r} occurs twice", where=f"{name}, line 1", fix="rename one of them")
    return header


def _first_row(name: str, records: Iterator[CellRow], options: OptionNames) -> tuple[str, ...]:
    number, cells = next(records, (1, []))
    if isinstance(cells, BadRow):
        raise _broken_quoting(name, number, cells, options)
    names = tuple(cell.strip() for cell in cells)
    if not any(names):
        raise UserError("the file is empty", where=name, expected="a header, and rows")
    return names


def _header_and_rows(
    source: SplitFiles, data: Data, fields: Sequence[Field]
) -> tuple[tuple[str, ...], Iterator[CellRow]]:
    path = source.paths[0]
    if source.format == "csv":
        records = csv_rows(read_lines(path, data.encoding, newline=""), _csv_delimiter(data))
    else:
        records = tsv_rows(read_lines(path, data.encoding), data.delimiter or "\t")
    return read_header(str(path), records, data.column_names, fields, RECIPE_KEYS), records


def _csv_delimiter(data: Data) -> str:
    delimiter = data.delimiter or ","
    if len(delimiter) != 1:
        raise UserError(
            "csv needs a delimiter of one character",
            where=f"data.delimiter={delimiter}",
            fix="data.format=tsv takes any",
        )
    return delimiter


def _rows(path: Path, header: Sequence[str], records: Iterable[CellRow], fields: Sequence[Field]) -> Rows:
    """Return the columns that the fields ask for.

    Raises:
        UserError: Rows are bad.
    """
    columns: dict[str, list[str]] = {column: [] for column in asked_columns(fields)}
    targets = [(header.index(column), values) for column, values in columns.items()]
    numbers = array("q")
    rejected = RejectedRows(lambda wrong, first: _error(str(path), header, wrong, first))
    width = len(header)
    for number, cells in records:
        if isinstance(cells, BadRow) or len(cells) != width:
            rejected.add(number, bad_cells(cells, width))
            continue
        numbers.append(number)
        for position, values in targets:
            values.append(cells[position])
    rejected.raise_errors()
    return Rows(name=str(path), columns=columns, unit="line", numbers=numbers)


def _error(name: str, header: Sequence[str], numbers: Sequence[int], first: BadRow) -> UserError:
    if first.kind == "quoting":
        return _broken_quoting(name, numbers[0], first, RECIPE_KEYS)
    return UserError(
        f"{plural(len(numbers), 'row')} with another number of cells than there are columns",
        where=places(name, "line", numbers),
        expected=f"{plural(len(header), 'cell')}: {', '.join(header)}",
        found=f"{first.found} in line {numbers[0]}",
        fix="correct these rows (in csv, a cell that holds the delimiter stands in double quotes), or data.delimiter",
    )


def _broken_quoting(name: str, number: int, row: BadRow, options: OptionNames) -> UserError:
    return UserError(
        "the row's quoting is broken",
        where=places(name, "line", [number]),
        expected='cells with quotes, commas or line breaks in double quotes, inner quotes doubled: "a ""b"" c"',
        found=row.found,
        fix=f"correct the row; {options.assign('format', 'tsv')} with {options.name('delimiter')} takes quotes as they "
        "stand",
    )
