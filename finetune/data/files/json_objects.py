"""JSON: a list of objects, or one object a line."""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from finetune.data.batched import batched
from finetune.data.dict_rows import rows_from_objects
from finetune.data.fields import Field
from finetune.data.files.bad_rows import BadRow, JsonRow, RejectedRows
from finetune.data.files.find import SplitFiles
from finetune.data.files.json_stream import EXTRA_DATA, BrokenJson, JsonStream
from finetune.data.files.text import TextSource, open_text, read_lines, translated_errors
from finetune.data.messages import Unit, places, plural
from finetune.data.rows import Rows
from finetune.data.spans import as_words
from finetune.errors import UserError
from finetune.recipe import Data


class JsonObjects(NamedTuple):
    """Objects of a file, with the number of the line or row of each.

    Args:
        objects: The objects.
        numbers: Their numbers.
        unit: What the numbers count.
    """

    objects: list[Mapping[str, Any]]
    numbers: Sequence[int]
    unit: Unit


def read_json(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Return the rows of a file that holds one list of objects.

    Raises:
        UserError: Invalid JSON, something else than a list of objects, missing columns, or a file that cannot be read.
    """
    path = source.paths[0]
    with _opened_list(path, data) as stream:
        return _rows(path, enumerate(stream), fields, "row")


def first_objects(source: SplitFiles, data: Data, most: int) -> JsonObjects:
    """Return the first objects of a json or jsonl file; nothing after them is read.

    Raises:
        UserError: One of them is no object, or the file cannot be read.
    """
    path = source.paths[0]
    if source.format == "jsonl":
        return _objects(path, islice(json_line_values(read_lines(path, data.encoding)), most), "line")
    with _opened_list(path, data) as stream:
        return _objects(path, islice(enumerate(stream), most), "row")


@contextmanager
def _opened_list(path: Path, data: Data) -> Iterator[JsonStream]:
    """Open a file that holds one list.

    Raises:
        UserError: Invalid JSON, something else than a list, or a file that cannot be read.
    """
    file = TextSource(path, data.encoding or "utf-8")
    try:
        with translated_errors(file), open_text(file) as text:
            stream = JsonStream(text)
            _require_list(path, stream)
            yield stream
    except BrokenJson as error:
        has_lines = error.reason == EXTRA_DATA
        raise UserError(
            "invalid JSON",
            where=f"{path}, line {error.line}, column {error.column}",
            found=error.reason,
            fix="data.format=jsonl, if each line holds an object" if has_lines else "correct the file",
        ) from None


def read_jsonl(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Return the rows of a file that holds one object a line; empty lines are skipped.

    Raises:
        UserError: Lines that are no objects, missing columns, or a file that cannot be read.
    """
    path = source.paths[0]
    return _rows(path, json_line_values(read_lines(path, data.encoding)), fields, "line")


def stream_jsonl(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Iterator[Rows]:
    """Return the rows of a file that holds one object a line, some at a time.

    Raises:
        UserError: Lines that are no objects, missing columns, or a file that cannot be read.
    """
    path = source.paths[0]
    for piece in batched(json_line_values(read_lines(path, data.encoding))):
        yield _rows(path, piece, fields, "line")


def json_line_values(lines: Iterable[str]) -> Iterator[JsonRow]:
    """Return the number and the value of each line that is not blank, or what is wrong with the line."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, _parsed(line)


def bad_object(value: Any) -> BadRow:
    """Return the bad row for a JSON value that is no object; a bad row as it is."""
    if isinstance(value, BadRow):
        return value
    return BadRow(f"no JSON object: {value!r:.60}", of_file=True, kind="object", found=_describe(value))


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        found = f"{error.msg} at column {error.colno}"
        return BadRow(f"broken JSON: {found}", of_file=True, kind="json", found=found)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, or nested too deeply
        return BadRow(f"JSON that cannot be read: {error}", kind="json", found=str(error))


def _rows(path: Path, records: Iterable[JsonRow], fields: Sequence[Field], unit: Unit) -> Rows:
    """Return the columns of objects.

    Raises:
        UserError: Records are bad, or columns are missing.
    """
    objects, numbers, _ = _objects(path, records, unit)
    with_words, notes = as_words(str(path), objects, fields, unit, numbers)
    rows = rows_from_objects(str(path), with_words, fields, unit=unit, numbers=None if unit == "row" else numbers)
    return replace(rows, notes=(*notes, *rows.notes))


def _objects(path: Path, records: Iterable[JsonRow], unit: Unit) -> JsonObjects:
    """Return the objects and their numbers.

    Raises:
        UserError: Records are bad.
    """
    objects: list[Mapping[str, Any]] = []
    numbers = array("q")
    rejected = RejectedRows(lambda wrong, first: _error(path, unit, wrong, first))
    for number, value in records:
        if isinstance(value, dict):
            objects.append(value)
            numbers.append(number)
        else:
            rejected.add(number, bad_object(value))
    rejected.raise_errors()
    return JsonObjects(objects, numbers, unit)


def _error(path: Path, unit: Unit, numbers: Sequence[int], first: BadRow) -> UserError:
    if first.kind == "object":
        return UserError(
            f"no JSON object in {plural(len(numbers), unit)}",
            where=places(str(path), unit, numbers),
            expected='an object: {"text": "...", "label": "..."}',
            found=first.found,
        )
    return UserError(
        f"invalid JSON in {plural(len(numbers), 'line')}",
        where=places(str(path), "line", numbers),
        expected='one object a line: {"text": "...", "label": "..."}',
        found=f"{first.found} of line {numbers[0]}",
        fix="correct or remove these lines; data.format=json, if the file holds one list",
    )


def _require_list(path: Path, stream: JsonStream) -> None:
    """Raise an error if a text holds something else than a list.

    Raises:
        UserError: It holds another value.
        BrokenJson: It holds no value, or several.
    """
    if stream.is_list:
        return
    value = next(iter(stream), None)
    stream.require_end()
    raise UserError(
        "the file holds no list",
        where=str(path),
        expected='a list of objects: [{"text": "...", "label": "..."}, ...]',
        found=_describe(value),
        fix="write the rows as one list, or one object a line (data.format=jsonl)",
    )


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return "an object with the keys " + ", ".join(map(str, list(value)[:10]))
    return f"{value!r:.80}"
