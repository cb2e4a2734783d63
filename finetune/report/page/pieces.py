"""Pieces of text with marks, which the template puts into elements."""

from dataclasses import dataclass
from typing import Literal

Mark = Literal["", "added", "removed", "label"]


@dataclass(frozen=True)
class Piece:
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
