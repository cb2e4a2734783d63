"""Show the progress of a prediction on standard error: a bar in a terminal, or a line every 30 seconds."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from finetune.progress import console, say

_SECONDS_BETWEEN_LINES = 30.0


class Counter:
    """Counts rows that are predicted, and shows which share of the input was read.

    Args:
        total: Size of the input in bytes; None if it is not known.
    """

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.rows = 0
        self._started = self._last_line = time.monotonic()
        # A bar would break up predictions that are printed to the same terminal.
        self._bar = _bar() if console.is_terminal and not sys.stdout.isatty() else None
        self._is_silent = sys.stdout.isatty()

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
            self._task = self._bar.add_task("predicting", total=self.total, rows="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, rows: int, position: int) -> None:
        """Count rows, and show the progress.

        Args:
            rows: How many rows were predicted since the last call.
            position: How many bytes of the input were read so far.
        """
        self.rows += rows
        if self._bar is not None:
            self._bar.update(self._task, completed=position if self.total else None, rows=self._figures)
        elif not self._is_silent and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            share = f", {position / self.total:.0%} of the input" if self.total else ""
            say(f"predicting: {self._figures}{share}")

    @property
    def seconds(self) -> float:
        """Time since the start, in seconds."""
        return time.monotonic() - self._started

    @property
    def _figures(self) -> str:
        return f"{self.rows:,} rows, {self.rows / max(self.seconds, 1e-9):,.0f} rows/s"


def _bar() -> Progress:
    columns = (BarColumn(bar_width=20), TaskProgressColumn(), TextColumn("{task.fields[rows]}", style="cyan"))
    times = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    return Progress(TextColumn("{task.description}"), *columns, *times, console=console, transient=True)
