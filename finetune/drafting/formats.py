"""The format of a file whose name does not tell it, by its first lines."""

import csv
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from finetune.data.files.dialects import DELIMITERS
from finetune.data.files.encodings import find_encoding
from finetune.data.files.formats import FORMATS, format_ending
from finetune.data.files.text import read_lines
from finetune.drafting.keys import DraftedKey
from finetune.errors import UserError

_LINES = 200


def find_format(path: Path, encoding: str | None) -> tuple[DraftedKey, ...]:
    """Return the keys that say how a file is written: none where its name does.

    Args:
        path: The file.
        encoding: Its encoding; None where it is to be found out.

    Raises:
        UserError: The file cannot be read, or its first lines are of no known format.
    """
    if format_ending(path) in FORMATS:
        return ()
    lines = list(islice(read_lines(path, encoding or find_encoding(path)), _LINES))
    filled = [line.rstrip("\r\n") for line in lines if line.strip()]
    found = _of_json(filled) or _of_columns(filled, has_gaps="" in map(str.strip, lines[:-1])) or _of_table(filled)
    if found is None:
        raise UserError(
            "neither the file's name nor its first lines tell its format",
            where=str(path),
            expected="a name that ends in " + ", ".join(FORMATS) + " (.gz may follow), or rows with the same columns",
            found=f"{filled[0]!r:.80}" if filled else "no line with content",
            fix="data.format=csv 'data.delimiter=\"@\"', say, where @ separates the columns; data.format=jsonl",
        )
    return found


def _key(name: str, reason: str) -> DraftedKey:
    return DraftedKey("data.format", name, f"{reason}; the file's name does not tell")


def _of_json(lines: Sequence[str]) -> tuple[DraftedKey, ...] | None:
    if lines and lines[0].lstrip().startswith("["):
        return (_key("json", "the file begins with a bracket"),)
    try:
        is_objects = bool(lines) and all(isinstance(json.loads(line), dict) for line in lines[:5])
    except (ValueError, RecursionError):
        return None
    return (_key("jsonl", "each line holds an object"),) if is_objects else None


def _of_columns(lines: Sequence[str], *, has_gaps: bool) -> tuple[DraftedKey, ...] | None:
    """Return the format of words and their labels: lines of as many cells, with empty lines between sentences."""
    cells = [line.split("\t") if "\t" in line else line.split(" ") for line in lines if not line.startswith("#")]
    if not has_gaps or not cells or len(set(map(len, cells))) != 1 or len(cells[0]) < 2:
        return None
    return (_key("conll", "a word a line, with empty lines between sentences"),)


def _of_table(lines: Sequence[str]) -> tuple[DraftedKey, ...] | None:
    if lines and lines[0].count("\t") and len({line.count("\t") for line in lines}) == 1:
        return (_key("tsv", "each line has as many tabs"),)
    widths = {delimiter: _width(lines, delimiter) for delimiter in DELIMITERS}
    found = [delimiter for delimiter, width in widths.items() if width > 1]
    if len(found) != 1:
        return None
    return (
        _key("csv", f"each row has as many {DELIMITERS[found[0]]}"),
        DraftedKey("data.delimiter", found[0]),
    )


def _width(lines: Sequence[str], delimiter: str) -> int:
    """Return the number of cells of all rows, 0 where they differ."""
    try:
        widths = {len(row) for row in csv.reader(lines, delimiter=delimiter, strict=True)}
    except csv.Error:
        return 0
    return widths.pop() if len(widths) == 1 else 0
