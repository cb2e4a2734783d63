"""The rows of a file, one after another: a file of any size is never held in memory."""

import codecs
import gzip
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import TextIOWrapper
from typing import IO, Any, Literal, cast

from finetune.data import Field
from finetune.data.fields import asked_columns
from finetune.errors import UserError
from finetune.serve.examples import InputRow
from finetune.serve.formats import Input, resolve_format
from finetune.serve.json_rows import json_line_rows, json_rows, parquet_rows
from finetune.serve.tables import csv_records, header_of, table_rows, tsv_records


class InputRows:
    """The rows of an input in their order, and what is known of them beforehand.

    Args:
        rows: The rows.
        header: Names of the columns where all rows have the same.
        file: The file as it lies on disk, whose position tells how much was read; None where none does.
    """

    def __init__(self, rows: Iterator[InputRow], header: tuple[str, ...] | None, file: IO[bytes] | None) -> None:
        self.rows = rows
        self.header = header
        self._file = file

    def __iter__(self) -> Iterator[InputRow]:
        return self.rows

    @property
    def position(self) -> int:
        """Bytes read so far; 0 where that is not known."""
        return 0 if self._file is None else self._file.tell()


@contextmanager
def open_rows(given: Input, fields: Sequence[Field]) -> Iterator[InputRows]:
    """The rows of an input, read as they are asked for.

    Args:
        given: The input.
        fields: What the task reads of them.

    Raises:
        UserError: The file cannot be read, or its header lacks a column. Also raised where rows are asked for.
    """
    kind = resolve_format(given.path, given.format, "--format")
    given = replace(given, encoding=given.encoding or "utf-8")
    with _told(given), _opened(given) as file:
        on_disk = None if given.path is None else cast(IO[bytes], getattr(file, "fileobj", file))
        if kind == "parquet":
            header, rows = parquet_rows(file, given)
            yield InputRows(rows, header, None)
            return
        text = _decoded(file, given, newline="" if kind == "csv" else "\n")
        try:
            if kind in ("csv", "tsv"):
                records = csv_records(text, given) if kind == "csv" else tsv_records(text, given)
                names = header_of(records, given, fields)
                yield InputRows(table_rows(records, names), names, on_disk)
            elif kind == "text":
                column = _only_column(fields, given)
                yield InputRows(_text_rows(text, column), (column,), on_disk)
            else:
                yield InputRows(json_line_rows(text) if kind == "jsonl" else json_rows(text, given), None, on_disk)
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
        is_utf8 = codecs.lookup(given.encoding or "utf-8").name == "utf-8"
    except LookupError:
        raise UserError(
            f"there is no text encoding {given.encoding!r}", where="--encoding", expected="utf-8, utf-16, latin-1, ..."
        ) from None
    start: bytes = cast(Any, file).peek(2)[:2]
    if is_utf8 and start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise UserError("the file is not utf-8", where=given.name, found="utf-16", fix="--encoding utf-16")
    encoding = "utf-8-sig" if is_utf8 else given.encoding
    return TextIOWrapper(cast(Any, file), encoding=encoding, errors="surrogateescape", newline=newline)


def _text_rows(lines: Iterator[str], column: str) -> Iterator[InputRow]:
    for number, line in enumerate(lines, start=1):
        yield InputRow(number, {column: line.rstrip("\r\n")})


def _only_column(fields: Sequence[Field], given: Input) -> str:
    columns = asked_columns(fields)
    if len(columns) > 1:
        raise UserError(
            f"lines of text hold one column, and the model reads {len(columns)}: {', '.join(columns)}",
            where=given.name,
            expected="csv, tsv, json, jsonl or parquet",
        )
    return columns[0]
