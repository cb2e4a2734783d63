"""Lists that were written as text: what pandas, numpy, JSON and Label Studio put into one cell of a table.

No code in a cell is evaluated: it is read as JSON, or as a flat list of quoted texts, numbers, True, False and None.
"""

import ast
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from finetune.data.fields import Field
from finetune.data.messages import plural
from finetune.data.rows import ColumnValues, Rows
from finetune.errors import UserError

_BRACKETS = {"[": "]", "(": ")", "{": "}"}
_LONGEST = 10_000_000
"""Length of the longest cell, in characters, that is read as a list."""
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|True|False|None|nan"
_ITEM = re.compile(rf"(?:np\.\w+\(\s*)?(?P<value>{_QUOTED}|{_PLAIN})(?P<end>\s*\))?", re.DOTALL)
_GAP = re.compile(r"\s*(,?)\s*")
_WORDS = {"True": True, "False": False, "None": None, "nan": None}
_LOOKS = re.compile(r"\s*(?:[\[({]\s*['\"]|\[\s*\[|\[.*\.\.\..*\]\s*$)", re.DOTALL)
"""It matches the beginning of a list of texts or of lists, and a list that numpy shortened by three dots."""

LISTED_KINDS = ("label_list", "words", "word_labels")
"""Kinds of fields whose values are lists."""


def parse_list(text: str) -> list[Any] | None:
    """Return the list that a text represents; None if it represents none.

    Args:
        text: The text of a cell. Lists are `["a", "b"]` as JSON writes them, `['a', 'b']` as Python does, tuples and
            sets included, `['a' 'b']` and `[0 1]` as numpy does, and `{"choices": ["a", "b"]}` as Label Studio does.
    """
    text = text.strip()
    if len(text) < 2 or _BRACKETS.get(text[0]) != text[-1] or len(text) > _LONGEST:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _flat_list(text)
    if isinstance(value, dict):
        value = value.get("choices") if list(value) == ["choices"] else None
    return value if isinstance(value, list) else None


def looks_like_list(text: str) -> bool:
    """Return whether a text represents a list, or begins like a list of texts."""
    return text.lstrip()[:1] in _BRACKETS and (_LOOKS.match(text) is not None or parse_list(text) is not None)


def are_written(columns: Iterable[ColumnValues], field: Field) -> bool:
    """Return whether a column holds lists written as text.

    One such cell is enough in a column of labels, since no label has a name like `['a', 'b']`. In a column of words,
    more than half of the cells must be lists, since words that are separated by blanks may begin with a bracket. If the
    recipe says that each example has one class, a list of numbers is the name of a class: `[18, 25]` may be an age.
    """
    is_class = field.kind == "label" and not field.is_open
    cells = [cell for column in columns for cell in _texts(column) if cell.strip()]
    found = sum((_LOOKS.match(cell) is not None) if is_class else looks_like_list(cell) for cell in cells)
    return 2 * found > len(cells) if field.kind == "words" else found > 0


def as_lists(rows: Rows, field: Field) -> Rows:
    """Return the rows with lists in place of the texts of one column, and None in place of empty cells.

    In a column that Label Studio wrote, a text without brackets is the only choice of its row.

    Raises:
        UserError: A cell represents no list.
    """
    column = rows.columns[field.column]
    values = column if isinstance(column, list) else column.to_pylist()
    has_choices = any(isinstance(value, str) and '"choices"' in value for value in values)
    lists: list[Any] = []
    wrong = []
    for index, value in enumerate(values):
        lists.append(_read(value, has_choices=has_choices))
        if isinstance(lists[-1], str):
            wrong.append(index)
    if wrong:
        raise _unreadable(rows, field, wrong, values[wrong[0]])
    return rows.with_column(field.column, lists)


def _texts(column: ColumnValues) -> Sequence[str]:
    """Return the texts of a column; none if it has another type, or if no text begins with a bracket."""
    if isinstance(column, list):
        texts = [value for value in column if isinstance(value, str)]
        return texts if any(text.lstrip()[:1] in _BRACKETS for text in texts) else []
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return []
    texts = column.cast(pa.string()).drop_null()
    return texts.to_pylist() if pc.any(pc.match_substring_regex(texts, r"^\s*[\[({]")).as_py() else []


def _read(value: Any, *, has_choices: bool) -> Any:
    """Return the list of a cell; None for an empty cell, and the text itself if it represents no list."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    found = parse_list(value)
    if found is None and has_choices and not looks_like_list(value):
        return [value]
    return value if found is None else found


def _flat_list(text: str) -> list[Any] | None:
    """Return the items between the brackets, separated by commas or by blanks; None if the text is no such list."""
    items: list[Any] = []
    gaps = set()
    end, position = len(text) - 1, len(text) - len(text[1:].lstrip())
    while position < end:
        match = _ITEM.match(text, position, end)
        if match is None or match[0].startswith("np.") != bool(match["end"]):
            return None
        items.append(_value(match["value"]))
        gap = _GAP.match(text, match.end(), end)
        assert gap is not None
        position = gap.end()
        if position < end and not gap[0]:
            return None
        gaps.add(gap[1] if position < end or gap[1] else None)
    gaps.discard(None)
    return None if len(gaps) > 1 or (text[0] != "[" and gaps != {","} and not _is_set(text, items)) else items


def _is_set(text: str, items: Sequence[Any]) -> bool:
    """Return whether a text is a set of one text: `{'a'}`."""
    return text[0] == "{" and len(items) == 1 and isinstance(items[0], str)


def _value(text: str) -> Any:
    """Return the value of a quoted text, a number or a word such as None; escapes that Python refuses are kept."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] == '"':
        try:
            return json.loads(text)
        except ValueError:
            pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text[1:-1] if text[0] in "'\"" else float(text)


def _unreadable(rows: Rows, field: Field, wrong: list[int], found: Any) -> UserError:
    classes = "; task.problem_type=single_label, where they are names of classes" if field.is_open else ""
    return UserError(
        f"{plural(len(wrong), 'row')} without a list in column {field.column!r}, which holds lists written as text",
        where=rows.where(wrong),
        expected="a list in every cell: ['a', 'b'] or [\"a\", \"b\"], none shortened by ...",
        found=f"{found!r:.80}",
        fix="write these cells as lists, or the data as JSON lines or parquet, where lists are lists" + classes,
    )
