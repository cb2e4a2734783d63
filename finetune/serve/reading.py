"""Rows of csv, tsv, JSON lines and lines of text, one after another: a file of any size is never held in memory."""

import codecs
import csv
import gzip
import json
import sys
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Literal, cast, get_args

from finetune.data import Field
from finetune.data.fields import asked_columns
from finetune.data.problems import missing_columns, plural
from finetune.errors import UserError, raise_all
from finetune.serve.examples import Problem, Row

Format = Literal["csv", "tsv", "jsonl", "text"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[str, Format] = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".txt": "text"}
STDIN = "standard input"

_LONGEST_CELL = 2**31 - 1
_MOST_LINES = 1000
"""Lines of a quoted csv cell. A quote that is never closed would otherwise make one cell of all that follows."""


@dataclass(frozen=True)
class Input:
    """Where rows come from.

    Args:
        path: The file, which may be packed by gzip; None for standard input.
        format: Told by the file's name if None.
        encoding: Any that Python knows; a byte order mark is skipped.
        delimiter: One character that separates columns; comma or tab by format if None.
    """

    path: Path | None
    format: Format | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return STDIN if self.path is None else str(self.path)


class Rows:
    """The rows of an input in their order, and what is known of them beforehand.

    Args:
        rows: The rows.
        header: Names of the columns where the file has a header.
        file: The file as it lies on disk, whose position tells how much was read; None for standard input.
    """

    def __init__(self, rows: Iterator[Row], header: tuple[str, ...] | None, file: IO[bytes] | None) -> None:
        self.rows = rows
        self.header = header
        self._file = file

    def __iter__(self) -> Iterator[Row]:
        return self.rows

    @property
    def position(self) -> int:
        """Bytes read so far; 0 where that is not known."""
        return 0 if self._file is None else self._file.tell()


def told_format(path: Path | None, given: Format | None, option: str) -> Format:
    """The format that is given, or else told by the file's name.

    Raises:
        UserError: The name does not tell it.
    """
    if given is not None:
        return given
    name = path.with_suffix("") if path is not None and path.suffix == ".gz" else path
    if name is None or name.suffix.lower() not in SUFFIXES:
        raise UserError(
            "the format is not known",
            where=STDIN if path is None else str(path),
            expected="a name that ends in " + ", ".join(SUFFIXES) + " (of an input .gz may follow)",
            fix=f"{option} names it: {', '.join(FORMATS)}",
        )
    return SUFFIXES[name.suffix.lower()]


@contextmanager
def open_rows(given: Input, fields: Sequence[Field]) -> Iterator[Rows]:
    """The rows of an input, read as they are asked for.

    Args:
        given: The input.
        fields: What the task reads of them.

    Raises:
        UserError: The file cannot be read, or its header lacks a column. Also raised where rows are asked for.
    """
    kind = told_format(given.path, given.format, "--format")
    with _told(given), _opened(given) as file:
        text = _decoded(file, given, newline="" if kind == "csv" else "\n")
        on_disk = None if given.path is None else cast(IO[bytes], getattr(file, "fileobj", file))
        try:
            if kind in ("csv", "tsv"):
                records = _csv_records(text, given) if kind == "csv" else _tsv_records(text, given)
                header = _header(records, given, fields)
                yield Rows(_table_rows(records, header), header, on_disk)
            elif kind == "jsonl":
                yield Rows(_json_rows(text), None, on_disk)
            else:
                column = _only_column(fields, given)
                yield Rows(_text_rows(text, column), (column,), on_disk)
        finally:
            text.detach()


@contextmanager
def _told(given: Input) -> Iterator[None]:
    try:
        yield
    except UnicodeError as error:
        raise UserError(
            f"the file is not {given.encoding}", where=given.name, found=str(error), fix="--encoding names another"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError("the file cannot be unpacked", where=given.name, found=str(error)) from None


@contextmanager
def _opened(given: Input) -> Iterator[IO[bytes]]:
    if given.path is None:
        yield sys.stdin.buffer
        return
    try:
        file = given.path.open("rb")
    except OSError as error:
        raise UserError(
            f"the input {given.path} cannot be read", where="--input", found=error.strerror, fix="correct the path"
        ) from None
    with file:
        if given.path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file) as unpacked:
                yield cast(IO[bytes], unpacked)
        else:
            yield file


def _decoded(file: IO[bytes], given: Input, newline: Literal["", "\n"]) -> TextIOWrapper:
    """The file as text, bytes that are none escaped, so that a row that holds some can be told from others."""
    try:
        is_utf8 = codecs.lookup(given.encoding).name == "utf-8"
    except LookupError:
        raise UserError(
            f"there is no text encoding {given.encoding!r}", where="--encoding", expected="utf-8, utf-16, latin-1, ..."
        ) from None
    start: bytes = cast(Any, file).peek(2)[:2]
    if is_utf8 and start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UserError("the file is not utf-8", where=given.name, found="utf-16", fix="--encoding utf-16")
    encoding = "utf-8-sig" if is_utf8 else given.encoding
    return TextIOWrapper(cast(Any, file), encoding=encoding, errors="surrogateescape", newline=newline)


def _text_rows(lines: Iterator[str], column: str) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        yield Row(number, {column: line.rstrip("\r\n")})


def _only_column(fields: Sequence[Field], given: Input) -> str:
    columns = asked_columns(fields)
    if len(columns) > 1:
        raise UserError(
            f"lines of text hold one column, and the model reads {len(columns)}: {', '.join(columns)}",
            where=given.name,
            expected="csv, tsv or jsonl",
        )
    return columns[0]


def _json_rows(lines: Iterator[str]) -> Iterator[Row]:
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _json_row(number, line)


def _json_row(number: int, line: str) -> Row:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        return Row(number, problem=Problem(f"broken JSON: {error.msg} at column {error.colno}", of_file=True))
    except (ValueError, RecursionError) as error:
        return Row(number, problem=Problem(f"JSON that cannot be read: {error}"))
    if not isinstance(value, dict):
        return Row(number, problem=Problem(f"no JSON object: {value!r:.60}", of_file=True))
    return Row(number, value)


Record = tuple[int, "list[str] | Problem"]
"""A record's first line, from 1, and its cells or what is wrong with it."""


def _tsv_records(lines: Iterator[str], given: Input) -> Iterator[Record]:
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


def _csv_records(lines: Iterator[str], given: Input) -> Iterator[Record]:
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
            yield source.number, Problem(f"broken quoting: {reason}", of_file=True)
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


def _header(records: Iterator[Record], given: Input, fields: Sequence[Field]) -> tuple[str, ...]:
    _, cells = next(records, (1, []))
    if isinstance(cells, Problem):
        raise UserError("the header cannot be read", where=f"{given.name}, line 1", found=cells.reason)
    names = [name.strip() for name in cells]
    if not any(names):
        raise UserError("the file is empty", where=given.name, expected="a header, and rows")
    hint = "; --delimiter where the columns are separated otherwise" if len(names) == 1 else ""
    raise_all(missing_columns(given.name, fields, names, hint))
    twice = [column for column in asked_columns(fields) if names.count(column) > 1]
    if twice:
        raise UserError(
            f"the column {twice[0]!r} occurs twice", where=f"{given.name}, line 1", fix="rename one of them"
        )
    return distinct(names)


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names of which none occurs twice: the second `note` is note_2."""
    made: list[str] = []
    for name in names:
        number, new = 1, name
        while new in made:
            number += 1
            new = f"{name}_{number}"
        made.append(new)
    return tuple(made)


def _table_rows(records: Iterator[Record], header: tuple[str, ...]) -> Iterator[Row]:
    for number, cells in records:
        if isinstance(cells, Problem):
            yield Row(number, problem=cells)
        elif len(cells) != len(header):
            reason = f"{plural(len(cells), 'cell')} in place of {len(header)}"
            yield Row(number, problem=Problem(reason, of_file=True))
        else:
            yield Row(number, dict(zip(header, cells, strict=True)))
