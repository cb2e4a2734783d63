"""Rows that know the names of their values: JSON and parquet."""

import json
import re
from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from finetune.data.messages import Unit
from finetune.errors import UserError
from finetune.serve.examples import BadRow, InputRow
from finetune.serve.formats import Input

_CHUNK = 2**16
"""Characters that are read at a time."""
_LONGEST = 2**24
"""Characters of one object; what is broken would otherwise be read to the end of the file."""
_BETWEEN = re.compile(r"[\s,]*")
_ROWS = 1000
"""Rows of parquet that are in memory at a time, beside those of a row group that are still packed."""


def json_line_rows(lines: Iterator[str]) -> Iterator[InputRow]:
    """One object a line; what is broken costs no others."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _of_line(number, line)


def _of_line(number: int, line: str) -> InputRow:
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        return InputRow(number, problem=BadRow(f"broken JSON: {error.msg} at column {error.colno}", of_file=True))
    except (ValueError, RecursionError) as error:
        return InputRow(number, problem=BadRow(f"JSON that cannot be read: {error}"))
    return _of_value(number, value)


def _of_value(number: int, value: Any, unit: Unit = "line") -> InputRow:
    if not isinstance(value, dict):
        return InputRow(number, problem=BadRow(f"no JSON object: {value!r:.60}", of_file=True), unit=unit)
    return InputRow(number, value, unit=unit)


def json_rows(text: IO[str], given: Input) -> Iterator[InputRow]:
    """The objects of a list, or objects one after another, parsed one at a time.

    Raises:
        UserError: The JSON is broken; what follows cannot be told from it.
    """
    for number, value in enumerate(_values(text, given), start=1):
        yield _of_value(number, value, "row")


def _values(text: IO[str], given: Input) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    while (first := text.read(1)).isspace():
        pass
    is_list = first == "["
    buffer, position, count, is_end = "" if is_list else first, 0, 0, not first
    while True:
        position = _BETWEEN.match(buffer, position).end()  # type: ignore[union-attr]  # it matches nothing, too
        if is_list and buffer[position : position + 1] == "]":
            return
        try:
            value, end = decoder.raw_decode(buffer, position)
            is_whole = end < len(buffer) or is_end  # a number could go on
        except (ValueError, RecursionError) as error:
            if is_end and position == len(buffer) and not is_list:
                return
            if is_end or len(buffer) - position > _LONGEST:
                raise _broken(given, count, error) from None
            is_whole = False
        if is_whole:
            yield value
            position, count = end, count + 1
        else:
            more = text.read(max(_CHUNK, len(buffer) - position))
            buffer, position, is_end = buffer[position:] + more, 0, not more


def _broken(given: Input, count: int, error: Exception) -> UserError:
    return UserError(
        f"the JSON is broken after {count:,} objects",
        where=given.name,
        expected="a list of objects: [{...}, {...}]",
        found=error.msg if isinstance(error, json.JSONDecodeError) else str(error),
        fix="correct it; in jsonl, one object a line, a broken one costs no others",
    )


def parquet_rows(file: IO[bytes], given: Input) -> tuple[tuple[str, ...], Iterator[InputRow]]:
    """The names of the columns, and the rows.

    Raises:
        UserError: The file is not parquet, or comes by standard input; also where rows are asked for.
    """
    if given.path is None:
        raise UserError("parquet is read from a file alone", where=given.name, fix="--input names the file")
    try:
        opened = pq.ParquetFile(file)
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(given, error) from None
    return tuple(opened.schema_arrow.names), _parquet_rows(opened, given)


def _parquet_rows(opened: pq.ParquetFile, given: Input) -> Iterator[InputRow]:
    number = 0
    try:
        for batch in opened.iter_batches(_ROWS):
            for columns in batch.to_pylist():
                number += 1
                yield InputRow(number, columns, unit="row")
    except (pa.ArrowException, OSError) as error:
        raise _no_parquet(given, error) from None


def _no_parquet(given: Input, error: Exception) -> UserError:
    return UserError("the file is not valid parquet", where=given.name, found=str(error))
