"""Spans of characters with a number each, such as mentions of entities or turns of speakers, which masks read.

A text has a list of spans, `[[0, 4, 7], [9, 13, 7]]` or `[{"start": 0, "end": 4, "value": 7}, ...]`, `label` being
another name for `value`. Characters are counted as Python does, from 0, and the end is not included. In a cell of a
table the list is written as JSON. A text without spans has the empty list.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa

from finetune.data.fields import Field
from finetune.data.messages import plural
from finetune.data.rows import Rows
from finetune.errors import UserError

EXPECTED = "list of spans, each [start, end, number] in characters of the text"
"""What messages expect of a row."""
_VALUES = ("value", "label")
_LIMIT = 2**63

NumberedSpan = tuple[int, int, int]
"""Where a span begins and ends in the text, the end not included, and its number."""


class SpanError(ValueError):
    """A list of spans cannot be read, or does not fit its text."""


def read_spans(given: Any) -> list[NumberedSpan]:
    """Return the spans of a text in their order.

    Args:
        given: The list of spans, or JSON that represents it.

    Raises:
        SpanError: There is something else, a span holds nothing, its number is below 0, or two spans overlap.
    """
    listed = _list(given)
    if listed is None:
        raise SpanError(f"no {EXPECTED}: {given!r:.60}")
    spans = sorted(_span(one) for one in listed)
    for (_, end, first), (start, _, second) in pairwise(spans):
        if start < end:
            raise SpanError(f"spans that overlap: {second} begins at {start}, and {first} ends at {end}")
    return spans


def check_within(spans: Sequence[NumberedSpan], text: str) -> None:
    """Check that spans, which are in their order, lie within their text.

    Raises:
        SpanError: One ends behind the text.
    """
    if spans and spans[-1][1] > len(text):
        raise SpanError(f"a span up to {spans[-1][1]:,} in a text of {plural(len(text), 'character')}")


def write_spans(spans: Sequence[NumberedSpan]) -> str:
    """Return the text that `read_spans` reads as the same spans."""
    return json.dumps([list(span) for span in spans])


def spans_column(rows: Rows, field: Field) -> pa.ChunkedArray:
    """Return a column of spans as texts that `write_spans` has written; null where a row holds nothing.

    Raises:
        UserError: Some rows hold something else than spans.
    """
    values = rows.columns[field.column]
    written: list[str | None] = []
    wrong, problems = [], []
    for index, value in enumerate(values if isinstance(values, list) else values.to_pylist()):
        try:
            is_empty = value is None or (isinstance(value, str) and not value.strip())
            written.append(None if is_empty else write_spans(read_spans(value)))
        except SpanError as error:
            wrong.append(index)
            problems.append(str(error))
    if wrong:
        raise UserError(
            f"{plural(len(wrong), 'row')} without spans that can be read in column {field.column!r}",
            where=rows.where(wrong),
            expected=f'a {EXPECTED}, or {{"start": 0, "end": 4, "value": 7}}',
            found=problems[0],
            fix="correct the spans; a text without spans has the empty list, []",
        )
    return pa.chunked_array([pa.array(written, pa.string())])


def spans_outside(rows: Rows, field: Field, spans: pa.ChunkedArray, texts: pa.ChunkedArray) -> UserError | None:
    """Return the error to raise where spans end behind their text; None where all lie within it.

    Args:
        rows: The rows, for the message.
        field: The field of the spans.
        spans: Its column, as `spans_column` returns it.
        texts: The texts whose characters are counted.
    """
    wrong, problems = [], []
    for index, (written, text) in enumerate(zip(spans.to_pylist(), texts.to_pylist(), strict=True)):
        try:
            check_within(read_spans(written), text)
        except SpanError as error:
            wrong.append(index)
            problems.append(str(error))
    if not wrong:
        return None
    return UserError(
        f"{plural(len(wrong), 'row')} with spans outside of the text in column {field.column!r}",
        where=rows.where(wrong),
        expected="spans within the text, in characters from 0",
        found=problems[0],
        fix="correct the spans; were bytes, UTF-16 units or other line breaks counted?",
    )


def _list(given: Any) -> Sequence[Any] | None:
    """Return the list that a value is or represents; None for something else."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return None
    given = _plain(given)
    return given if isinstance(given, list | tuple) else None


def _span(given: Any) -> NumberedSpan:
    given = _plain(given)
    if isinstance(given, Mapping):
        numbered = next((given[key] for key in _VALUES if given.get(key) is not None), None)
        given = [given.get("start"), given.get("end"), numbered]
    if not isinstance(given, list | tuple) or len(given) != 3 or any(type(number) is not int for number in given):
        raise SpanError(f"a span that is not [start, end, number] in whole numbers: {given!r:.60}")
    if any(abs(number) >= _LIMIT for number in given):
        raise SpanError("a span with a number of more than 64 bits")
    start, end, value = given
    if not 0 <= start < end:
        raise SpanError(f"a span without text, from {start} to {end}")
    if value < 0:
        raise SpanError(f"a span with the number {value}: numbers are 0 or more, -1 stands for tokens outside of spans")
    return start, end, value


def _plain(given: Any) -> Any:
    """Return an array of numpy, which pandas makes of lists in parquet files, as a list."""
    return given.tolist() if hasattr(given, "tolist") else given
