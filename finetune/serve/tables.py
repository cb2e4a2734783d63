"""Records of csv and tsv: what is broken costs no others."""

import csv
from collections import deque
from collections.abc import Iterator, Sequence

from finetune.data import Field
from finetune.data.fields import asked_columns
from finetune.data.messages import missing_columns, plural
from finetune.errors import UserError, raise_all
from finetune.serve.examples import BadRow, InputRow
from finetune.serve.formats import Input

_LONGEST_CELL = 2**31 - 1
_MOST_LINES = 1000
"""Lines of a quoted csv cell. A quote that is never closed would otherwise make one cell of all that follows."""

ParsedRow = tuple[int, "list[str] | BadRow"]
"""A record's first line, from 1, and its cells or what is wrong with it."""


def tsv_records(lines: Iterator[str], given: Input) -> Iterator[ParsedRow]:
    """Lines of a file, each a record; quotes are ordinary characters.

    Raises:
        UserError: The delimiter is none.
    """
    delimiter = _delimiter(given, "\t")
    for number, line in enumerate(lines, start=1):
        if line.strip("\r\n"):
            yield number, line.rstrip("\r\n").split(delimiter)


class _TooLong(Exception):
    """A record of more lines than one can have."""


class _Lines:
    """Lines for a csv reader, of which those of the record at hand can be given back.

    Args:
        lines: The lines of the file.
    """

    def __init__(self, lines: Iterator[str]) -> None:
        self.lines = lines
        self.waiting: deque[str] = deque()
        self.taken: list[str] = []
        self.number = 1  # of the first line taken

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if len(self.taken) == _MOST_LINES:
            raise _TooLong
        line = self.waiting.popleft() if self.waiting else next(self.lines)
        self.taken.append(line)
        return line

    def keep(self, count: int) -> None:
        """Go on after the first `count` of the lines taken."""
        self.waiting.extendleft(reversed(self.taken[count:]))
        self.number += count
        self.taken = []


def csv_records(lines: Iterator[str], given: Input) -> Iterator[ParsedRow]:
    """Records as of RFC 4180; where quoting is broken, the line it begins in is one, and the next line another."""
    csv.field_size_limit(_LONGEST_CELL)
    delimiter = _delimiter(given, ",")
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _TooLong) as error:
            reason = (
                f"a quoted cell does not end within {_MOST_LINES:,} lines" if isinstance(error, _TooLong) else error
            )
            yield source.number, BadRow(f"broken quoting: {reason}", of_file=True)
            source.keep(1)
            reader = csv.reader(source, delimiter=delimiter, strict=True)
            continue
        if cells:
            yield source.number, cells
        source.keep(len(source.taken))


def _delimiter(given: Input, usual: str) -> str:
    if given.delimiter is not None and len(given.delimiter) != 1:
        raise UserError("a delimiter is one character", where="--delimiter", found=repr(given.delimiter))
    return given.delimiter or usual


def header_of(records: Iterator[ParsedRow], given: Input, fields: Sequence[Field]) -> tuple[str, ...]:
    """The names of the columns: those given, or else the first record.

    Raises:
        UserError: A column that the task reads is not there, or twice; or there is no header.
    """
    names = given.column_names or _first_record(records, given)
    hint = "" if given.column_names else ", or data.column_names=[...] where the file has no header"
    if len(names) == 1:
        hint += "; --delimiter where the columns are separated otherwise"
    raise_all(missing_columns(given.name, fields, names, hint))
    twice = [column for column in asked_columns(fields) if names.count(column) > 1]
    if twice:
        raise UserError(
            f"the column {twice[0]!r} occurs twice", where=f"{given.name}, line 1", fix="rename one of them"
        )
    return unique_names(names)


def _first_record(records: Iterator[ParsedRow], given: Input) -> tuple[str, ...]:
    _, cells = next(records, (1, []))
    if isinstance(cells, BadRow):
        raise UserError("the header cannot be read", where=f"{given.name}, line 1", found=cells.reason)
    names = tuple(name.strip() for name in cells)
    if not any(names):
        raise UserError("the file is empty", where=given.name, expected="a header, and rows")
    return names


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names of which none occurs twice: the second `note` is note_2."""
    made: list[str] = []
    for name in names:
        number, new = 1, name
        while new in made:
            number += 1
            new = f"{name}_{number}"
        made.append(new)
    return tuple(made)


def table_rows(records: Iterator[ParsedRow], header: tuple[str, ...]) -> Iterator[InputRow]:
    """Records as rows; of another number of cells than the header's they are bad ones."""
    for number, cells in records:
        if isinstance(cells, BadRow):
            yield InputRow(number, problem=cells)
        elif len(cells) != len(header):
            reason = f"{plural(len(cells), 'cell')} in place of {len(header)}"
            yield InputRow(number, problem=BadRow(reason, of_file=True))
        else:
            yield InputRow(number, dict(zip(header, cells, strict=True)))
