"""Turn rows of files into examples. A row that cannot be read becomes a bad row, and does not stop the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from finetune.data import Field
from finetune.data.dict_rows import rows_from_objects
from finetune.data.files.bad_rows import BadRow
from finetune.data.messages import Unit
from finetune.data.numbered_spans import SpanError, check_within, read_spans, write_spans
from finetune.data.spans import TEXT, cut_words
from finetune.data.written_lists import parse_list
from finetune.errors import UserError, single_errors

Example: TypeAlias = Mapping[str, str | list[str]]
"""What a task reads of a row: a text or a list of words for the name of each field."""

_ESCAPED_BYTES = range(0xDC80, 0xDD00)
"""Characters that replace bytes that could not be decoded (PEP 383)."""


@dataclass(frozen=True)
class InputRow:
    """A row of a file.

    Args:
        number: The line that the row begins in, or the number of the row in a format without lines, counted from 1.
        columns: Values by the names of the file's columns; empty if the row cannot be read.
        problem: Why the row cannot be read; None if it can.
        unit: What `number` counts: lines or rows.
    """

    number: int
    columns: Mapping[str, Any] = field(default_factory=dict)
    problem: BadRow | None = None
    unit: Unit = "line"

    @property
    def place(self) -> str:
        """The row's place in messages: `line 3`."""
        return f"{self.unit} {self.number}"


class _Unreadable(Exception):
    """A value cannot be read; `problem` says why."""

    def __init__(self, reason: str, *, of_file: bool = False) -> None:
        self.problem = BadRow(reason, of_file)


def read_example(row: InputRow, fields: Sequence[Field], encoding: str) -> Example | BadRow:
    """Return what a task reads of a row, in the same form as in training, or a bad row if it cannot be read.

    Args:
        row: The row.
        fields: What the task reads of a row, without labels or reference texts.
        encoding: The encoding of the file, for a message.
    """
    if row.problem is not None:
        return row.problem
    try:
        columns = rows_from_objects("", [with_words(row.columns, fields)], fields).columns
    except UserError as error:
        return BadRow("; ".join(one.problem for one in single_errors([error])), of_file=True)
    try:
        example = {one.name: _read(columns[one.column][0], one, encoding) for one in fields}
        _check_lengths(example, fields)
        _check_spans(example, fields)
    except _Unreadable as unreadable:
        return unreadable.problem
    return example


def with_words(columns: Mapping[str, Any], fields: Sequence[Field]) -> Mapping[str, Any]:
    """Return a row's columns, with words that are cut from its text if it has a text and no words.

    Texts are cut as training cuts texts with spans. The same object is returned if nothing is cut.

    Args:
        columns: Values by the names of the columns.
        fields: What the task reads.
    """
    text = columns.get(TEXT)
    words = [field.column for field in fields if field.kind == "words"]
    if len(words) != 1 or words[0] in columns or not isinstance(text, str):
        return columns
    return {**columns, words[0]: [text[start:end].strip() for start, end in cut_words(text)]}


def _read(value: Any, field: Field, encoding: str) -> str | list[str]:
    if field.kind == "spans":
        return _spans(value, field)
    words = field.kind == "words"
    read: str | list[str] = _words(value, field) if words else _text(value, field)
    content = "".join(read)
    if not content.strip():
        raise _Unreadable(f"no {'words' if words else 'text'} in column {field.column!r}")
    _check_unicode(content, field, encoding)
    return read


def _spans(value: Any, field: Field) -> str:
    """Return spans as JSON, which is what training has of them."""
    if value is None or (isinstance(value, str) and not value.strip()):
        raise _Unreadable(f"no spans in column {field.column!r}, which has [] for a text without spans")
    try:
        return write_spans(read_spans(value))
    except SpanError as error:
        raise _Unreadable(f"column {field.column!r} holds {error}") from None


def _check_spans(example: Example, fields: Sequence[Field]) -> None:
    """Raise an error if spans are outside of their text."""
    for one in fields:
        if one.kind == "spans" and one.text is not None:
            try:
                check_within(read_spans(example[one.name]), str(example[one.text]))
            except SpanError as error:
                raise _Unreadable(f"column {one.column!r} holds {error}") from None


def _text(value: Any, field: Field) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Unreadable(f"column {field.column!r} does not hold text: {value!r:.60}")
    return str(value)


def _words(value: Any, field: Field) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        # Training also reads lists that pandas or JSON wrote into a cell.
        listed = parse_list(value)
        return listed if listed and all(isinstance(word, str) for word in listed) else value.split()
    if not isinstance(value, list) or {type(word) for word in value} - {str, int}:
        raise _Unreadable(f"column {field.column!r} does not hold a list of words: {value!r:.60}")
    return [str(word) for word in value]


def _check_unicode(content: str, field: Field, encoding: str) -> None:
    try:
        content.encode()
    except UnicodeEncodeError as error:
        code = ord(content[error.start])
        if code in _ESCAPED_BYTES:
            reason = f"column {field.column!r} is not {encoding}: the byte 0x{code - 0xDC00:02x}"
            raise _Unreadable(reason, of_file=True) from None
        raise _Unreadable(f"half a surrogate pair in column {field.column!r}, which is no text") from None


def _check_lengths(example: Example, fields: Sequence[Field]) -> None:
    """Raise an error if columns with one entry for each word, which masks can read, differ in length."""
    lengths = {field.column: len(example[field.name]) for field in fields if field.kind == "words"}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{length} in {column!r}" for column, length in lengths.items())
        raise _Unreadable(f"another number of entries than of words: {counts}")
