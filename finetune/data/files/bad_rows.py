"""Rows that cannot be read, and how training refuses them.

Each format has one reader, which yields a row's number with its values or with a `BadRow`. Prediction writes a bad
row's reason into its output and goes on with the next row. Training collects bad rows with `RejectedRows`, and raises
one error for each kind of them.
"""

from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from finetune.errors import UserError, raise_all

BadRowKind: TypeAlias = Literal["quoting", "cells", "json", "object", "value"]
"""What is wrong: the quoting of a csv row, its number of cells, the JSON, JSON that is no object, or a row's value."""


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read, or that no prediction can be made for.

    Args:
        reason: What is wrong with the row, in a few words.
        of_file: Whether the file or the call is to blame, and not the row, if all rows of a file are bad.
        kind: What is wrong, as a category; training reports all rows of one kind in one message.
        found: What the row holds in place of what was expected, for that message.
    """

    reason: str
    of_file: bool = False
    kind: BadRowKind = "value"
    found: str = ""


CellRow: TypeAlias = tuple[int, list[str] | BadRow]
"""The number of a row's first line, counted from 1, and the row's cells."""

JsonRow: TypeAlias = tuple[int, Any]
"""The number of a row, and its JSON value, which should be an object, or a `BadRow`."""


class RejectedRows:
    """Bad rows of a file that is read for training; they are reported together when the file has been read.

    Only the numbers of the rows are kept, and the first row of each kind.

    Args:
        error: Makes the error that reports all rows of one kind, from their numbers and the first of them.
    """

    def __init__(self, error: Callable[[Sequence[int], BadRow], UserError]) -> None:
        self._error = error
        self._first: dict[BadRowKind, BadRow] = {}
        self._numbers: dict[BadRowKind, array[int]] = {}

    def add(self, number: int, row: BadRow) -> None:
        """Add a bad row.

        Args:
            number: The number of the row's line, or of the row.
            row: What is wrong with it.

        Raises:
            UserError: The quoting of the row is broken, so that the rows after it cannot be told apart.
        """
        self._first.setdefault(row.kind, row)
        self._numbers.setdefault(row.kind, array("q")).append(number)
        if row.kind == "quoting":
            self.raise_errors()

    def raise_errors(self) -> None:
        """Raise one error for each kind of the rows that were added; do nothing if there are none.

        Raises:
            UserError: Rows were added.
        """
        raise_all([self._error(self._numbers[kind], row) for kind, row in self._first.items()])
