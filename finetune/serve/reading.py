"""The rows of a file, one after another: a file of any size is never held in memory.

The readers are those of training. A row that they cannot read becomes an `InputRow` with a problem, and the rows after
it are read.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TypeAlias

from finetune.data import Field
from finetune.data.fields import asked_columns
from finetune.data.files.bad_rows import BadRow, CellRow, JsonRow
from finetune.data.files.delimited import bad_cells, csv_rows, read_header, tsv_rows
from finetune.data.files.json_objects import bad_object, json_line_values
from finetune.data.files.json_stream import BrokenJson, JsonStream
from finetune.data.files.options import COMMAND_OPTIONS
from finetune.data.files.parquet import open_parquet, parquet_batches
from finetune.data.files.text import TextSource, guarded, open_text
from finetune.data.messages import Unit
from finetune.errors import UserError
from finetune.serve.column_names import unique_names
from finetune.serve.examples import InputRow
from finetune.serve.formats import Format, Input, resolve_format

_LONGEST_CSV = 1000
"""Lines of one csv row."""
_LONGEST_JSON = 2**24
"""Characters of one JSON object in a list."""
_PARQUET_ROWS = 1000
"""Rows of parquet that are in memory at a time, beside those of a row group that are still packed."""

HeaderAndRows: TypeAlias = tuple[tuple[str, ...] | None, Iterator[InputRow]]
"""Names of the columns if all rows have the same, and the rows."""


class InputRows:
    """The rows of an input in their order.

    Args:
        rows: The rows.
        header: Names of the columns if all rows have the same.
        text: The text that the rows are read from, whose position in the file is how much was read; None if that is
            not known.
    """

    def __init__(self, rows: Iterator[InputRow], header: tuple[str, ...] | None, text: TextIOWrapper | None) -> None:
        self.rows = rows
        self.header = header
        self._text = text

    def __iter__(self) -> Iterator[InputRow]:
        return self.rows

    @property
    def position(self) -> int:
        """Bytes of the file that were read so far; 0 if that is not known."""
        if self._text is None:
            return 0
        unpacked: Any = self._text.buffer
        return int(getattr(unpacked, "fileobj", unpacked).tell())  # the file below gzip, if it is packed


@contextmanager
def open_rows(given: Input, fields: Sequence[Field]) -> Iterator[InputRows]:
    """Open an input, whose rows are read as they are iterated over.

    Args:
        given: The input.
        fields: What the task reads of the rows.

    Raises:
        UserError: The file cannot be read, or its header lacks a column. Also raised while rows are iterated over.
    """
    kind = resolve_format(given.path, given.format, "--format")
    if kind == "parquet":
        with _open_parquet_rows(given) as rows:
            yield rows
        return
    source = TextSource(given.path, given.encoding or "utf-8", "surrogateescape", COMMAND_OPTIONS)
    with open_text(source, newline="" if kind == "csv" else "\n") as text:
        header, read = _header_and_rows(kind, text, source, given, fields)
        is_file = given.path is not None and given.path.is_file()  # pipes have no position
        yield InputRows(read, header, text if is_file else None)


def _header_and_rows(
    kind: Format, text: TextIOWrapper, source: TextSource, given: Input, fields: Sequence[Field]
) -> HeaderAndRows:
    if kind == "json":
        return None, guarded(_json_rows(text, given), source)
    lines = guarded(text, source)
    if kind == "jsonl":
        return None, _object_rows(json_line_values(lines), "line")
    if kind == "text":
        column = _only_column(fields, given)
        return (column,), (InputRow(line, {column: one.rstrip("\r\n")}) for line, one in enumerate(lines, start=1))
    if kind == "csv":
        records = csv_rows(lines, _delimiter(given, ","), longest=_LONGEST_CSV)
    else:
        records = tsv_rows(lines, _delimiter(given, "\t"))
    header = unique_names(read_header(given.name, records, given.column_names, fields, COMMAND_OPTIONS))
    return header, _table_rows(records, header)


def _table_rows(records: Iterable[CellRow], header: tuple[str, ...]) -> Iterator[InputRow]:
    width = len(header)
    for number, cells in records:
        if isinstance(cells, BadRow) or len(cells) != width:
            yield InputRow(number, problem=bad_cells(cells, width))
        else:
            yield InputRow(number, dict(zip(header, cells, strict=True)))


def _object_rows(records: Iterable[JsonRow], unit: Unit) -> Iterator[InputRow]:
    for number, value in records:
        if isinstance(value, dict):
            yield InputRow(number, value, unit=unit)
        else:
            yield InputRow(number, problem=bad_object(value), unit=unit)


def _json_rows(text: TextIOWrapper, given: Input) -> Iterator[InputRow]:
    """Return the objects of a list, or objects one after another.

    Raises:
        UserError: The JSON is broken; it does not tell where the next object begins.
    """
    try:
        yield from _object_rows(enumerate(JsonStream(text, longest=_LONGEST_JSON), start=1), "row")
    except BrokenJson as error:
        raise UserError(
            f"the JSON is broken after {error.count:,} objects",
            where=f"{given.name}, line {error.line}, column {error.column}",
            expected="a list of objects: [{...}, {...}]",
            found=error.reason,
            fix="correct it; in jsonl, one object a line, a broken line does not stop the others from being read",
        ) from None


@contextmanager
def _open_parquet_rows(given: Input) -> Iterator[InputRows]:
    if given.path is None:
        raise UserError("parquet is read from a file alone", where=given.name, fix="--input names the file")
    with open_parquet(given.path) as file:
        batches = parquet_batches(file, given.path, _PARQUET_ROWS)
        columns = (row for batch in batches for row in batch.to_pylist())
        rows = (InputRow(number, row, unit="row") for number, row in enumerate(columns, start=1))
        yield InputRows(rows, tuple(file.schema_arrow.names), None)


def _delimiter(given: Input, usual: str) -> str:
    if given.delimiter is not None and len(given.delimiter) != 1:
        raise UserError("a delimiter is one character", where="--delimiter", found=repr(given.delimiter))
    return given.delimiter or usual


def _only_column(fields: Sequence[Field], given: Input) -> str:
    columns = asked_columns(fields)
    if len(columns) > 1:
        raise UserError(
            f"lines of text hold one column, and the model reads {len(columns)}: {', '.join(columns)}",
            where=given.name,
            expected="csv, tsv, json, jsonl or parquet",
        )
    return columns[0]
