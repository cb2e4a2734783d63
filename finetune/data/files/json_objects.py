"""JSON: a list of objects, or one object a line."""

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from finetune.data.batched import batched
from finetune.data.dict_rows import rows_from_objects
from finetune.data.fields import Field
from finetune.data.files.find import SplitFiles
from finetune.data.files.text import read_lines
from finetune.data.messages import Unit, places, plural
from finetune.data.rows import Rows
from finetune.data.spans import as_words
from finetune.errors import UserError
from finetune.recipe import Data


def read_json(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Rows of a file that holds one list of objects.

    Raises:
        UserError: Invalid JSON, something else than a list of objects, missing columns, or a file that cannot be read.
    """
    path = source.paths[0]
    text = "".join(read_lines(path, data.encoding))
    try:
        objects = json.loads(text)
    except json.JSONDecodeError as error:
        lines = error.msg == "Extra data"
        raise UserError(
            "invalid JSON",
            where=f"{path}, line {error.lineno}, column {error.colno}",
            found=error.msg,
            fix="data.format=jsonl, if each line holds an object" if lines else "correct the file",
        ) from None
    if not isinstance(objects, list):
        raise UserError(
            "the file holds no list",
            where=str(path),
            expected='a list of objects: [{"text": "...", "label": "..."}, ...]',
            found=_describe(objects),
            fix="write the rows as one list, or one object a line (data.format=jsonl)",
        )
    _check_objects(str(path), objects, "row", range(len(objects)))
    return _rows_of_objects(path, objects, fields, "row", range(len(objects)))


def read_jsonl(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Rows of a file that holds one object a line; empty lines are skipped.

    Raises:
        UserError: Lines that are no objects, missing columns, or a file that cannot be read.
    """
    path = source.paths[0]
    return _rows_of_lines(path, enumerate(read_lines(path, data.encoding), start=1), fields)


def stream_jsonl(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Iterator[Rows]:
    """The rows of a file that holds one object a line, some at a time.

    Raises:
        UserError: As for the whole.
    """
    path = source.paths[0]
    for piece in batched(enumerate(read_lines(path, data.encoding), start=1)):
        yield _rows_of_lines(path, piece, fields)


def _rows_of_lines(path: Path, lines: Iterable[tuple[int, str]], fields: Sequence[Field]) -> Rows:
    objects, numbers, wrong = [], array("q"), []
    for number, line in lines:
        if not line.strip():
            continue
        try:
            objects.append(json.loads(line))
            numbers.append(number)
        except json.JSONDecodeError as error:
            wrong.append((number, f"{error.msg} at column {error.colno} of line {number}"))
    if wrong:
        raise UserError(
            f"invalid JSON in {plural(len(wrong), 'line')}",
            where=places(str(path), "line", [number for number, _ in wrong]),
            expected='one object a line: {"text": "...", "label": "..."}',
            found=wrong[0][1],
            fix="correct or remove these lines; data.format=json, if the file holds one list",
        )
    _check_objects(str(path), objects, "line", numbers)
    return _rows_of_objects(path, objects, fields, "line", numbers)


def _rows_of_objects(
    path: Path, objects: Sequence[Mapping[str, Any]], fields: Sequence[Field], unit: Unit, numbers: Sequence[int]
) -> Rows:
    objects, notes = as_words(str(path), objects, fields, unit, numbers)
    rows = rows_from_objects(str(path), objects, fields, unit=unit, numbers=None if unit == "row" else numbers)
    return replace(rows, notes=(*notes, *rows.notes))


def _check_objects(name: str, values: list[Any], unit: Unit, numbers: Sequence[int]) -> None:
    wrong = [index for index, value in enumerate(values) if not isinstance(value, dict)]
    if wrong:
        raise UserError(
            f"no JSON object in {plural(len(wrong), unit)}",
            where=places(name, unit, [numbers[index] for index in wrong]),
            expected='an object: {"text": "...", "label": "..."}',
            found=_describe(values[wrong[0]]),
        )


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return "an object with the keys " + ", ".join(map(str, list(value)[:10]))
    return f"{value!r:.80}"
