"""Progress of long work: a bar in a terminal or a notebook, and a line every 30 seconds elsewhere."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as ProgressTask
from rich.table import Column
from rich.text import Text

from finetune.log import LastingConsole, console, shows_progress, silenced
from finetune.notebook import NotebookBar, in_notebook

__all__ = ["ProgressBar", "console", "format_score", "format_seconds", "results_console", "say", "silenced", "warn"]

results_console = LastingConsole(highlight=False, markup=False)
"""The console for final results, on standard output."""

_SECONDS_BETWEEN_LINES = 30.0
_WIDE = 110
"""The width of a terminal, in characters, from which on the bar is long and the elapsed time is shown."""


class ProgressBar:
    """Progress over a known number of steps, with tokens per second and the remaining time.

    Args:
        label: Description of the work.
        total: Number of steps.
        enabled: Whether anything is shown; False on all processes except the main one.
    """

    def __init__(self, label: str, total: int, *, enabled: bool = True) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.tokens = 0
        self._started = self._last_line = time.monotonic()
        self._pauses = 0.0
        is_shown, is_notebook = enabled and shows_progress(), in_notebook()
        self._lines = is_shown and not console.is_terminal and not is_notebook
        self._progress = _progress() if is_shown and console.is_terminal and not is_notebook else None
        self._task: TaskID | None = None
        self._notebook = NotebookBar(label, total) if is_shown and is_notebook else None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
            self._task = self._progress.add_task(self.label, total=self.total, rate="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()
        if self._notebook is not None:
            self._notebook.close()

    def advance(self, tokens: int, note: str = "") -> None:
        """Count one step.

        Args:
            tokens: Number of tokens that the step has read.
            note: Text that is shown beside the bar.
        """
        self.done += 1
        self.tokens += tokens
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, rate=f"{self.rate:,.0f} tokens/s {note}")
        elif self._notebook is not None:
            self._notebook.update(self.done, f"{self.rate:,.0f} tokens/s, {_clock(self._left)} left {note}".rstrip())
        elif self._lines and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            figures = f"{self.done}/{self.total}, {self.rate:,.0f} tokens/s, {_clock(self._left)} left"
            say(f"{self.label}: {figures} {note}".rstrip())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the time of this block from the speed and the remaining time."""
        start = time.monotonic()
        yield
        self._pauses += time.monotonic() - start

    @property
    def seconds(self) -> float:
        """Seconds since the start, without pauses."""
        return time.monotonic() - self._started - self._pauses

    @property
    def _left(self) -> float:
        """Remaining time in seconds, at the speed so far."""
        return self.seconds / max(self.done, 1) * (self.total - self.done)

    @property
    def rate(self) -> float:
        """Speed in tokens per second."""
        return self.tokens / max(self.seconds, 1e-9)


class _Rate(ProgressColumn):
    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: ProgressTask) -> Text:
        return Text(str(task.fields.get("rate", "")), style="cyan")


def _progress() -> Progress:
    is_wide = console.width >= _WIDE
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20 if is_wide else 6),
        MofNCompleteColumn(),
        _Rate(),
        *([TimeElapsedColumn()] if is_wide else []),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def say(text: str) -> None:
    """Log a note (level INFO) to the logger of the calling module."""
    _tell(logging.INFO, text)


def warn(text: str) -> None:
    """Log a warning (level WARNING) to the logger of the calling module."""
    _tell(logging.WARNING, text)


def _tell(level: int, text: str) -> None:
    module = sys._getframe(2).f_globals.get("__name__", "")
    name = module if module.startswith("finetune.") else "finetune"
    logging.getLogger(name).log(level, "%s", text, stacklevel=3)


def format_score(name: str, value: float) -> str:
    """Return a score as text: two decimals for values above 1, such as BLEU, and four for others and for the loss."""
    return f"{value:.2f}" if abs(value) > 1 and name != "loss" else f"{value:.4f}"


def format_seconds(seconds: float) -> str:
    """Return a time as text: `2.5 s`, `42 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
