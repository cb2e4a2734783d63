"""Tables of a report, and what their cells hold: numbers, names, and pieces of text with marks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from finetune.progress import format_score

NOT_DEFINED = "not defined"
LONGEST_NAME = 80
"""Number of characters of a label or another name that are shown."""

Mark = Literal["", "added", "removed", "label"]


@dataclass(frozen=True)
class TextPiece:
    """A piece of a text.

    Args:
        text: The text.
        mark: How it is marked: "removed" if only the output has it, "added" if only the reference has it, "label" if it
            is a word with a label.
        color: The number of the colour of a label; 0 for none.
        note: What stands below a word with a wrong label.
    """

    text: str
    mark: Mark = ""
    color: int = 0
    note: str = ""


@dataclass(frozen=True)
class DataTable:
    """A table of a report.

    Args:
        caption: What the table shows.
        headings: The headings of the columns.
        rows: The cells of each row as text; the first one is the row's heading.
        is_numeric: Whether all columns but the first one hold numbers, which are aligned to the right.
        note: A sentence below the table; empty for none.
    """

    caption: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_numeric: bool = True
    note: str = ""


def number(name: str, value: Any) -> str:
    """Return a score as text, or "not defined" for anything but a finite number.

    Args:
        name: Name of the score.
        value: Its value, as results.json has it.
    """
    return format_score(name, value) if is_number(value) else NOT_DEFINED


def is_number(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def interval(name: str, bounds: Any) -> str:
    """Return an interval as text: "0.8513 to 0.8757", or "not defined" where there is none."""
    if not isinstance(bounds, Sequence) or len(bounds) != 2 or not all(map(is_number, bounds)):
        return NOT_DEFINED
    return " to ".join(format_score(name, bound) for bound in bounds)


def shortened(text: str, length: int = LONGEST_NAME) -> str:
    """Return a text with at most `length` characters; three dots show that something is left out."""
    return text if len(text) <= length else f"{text[: length - 3]}..."


def with_letter(heading: str, letter: str, count: int) -> str:
    """Return the heading of a run's column; it names the run where there are several."""
    return f"{heading} {letter}".strip() if count > 1 else heading
