"""Progress that people can read: a bar in a terminal, a line now and then elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console
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


class _LastingConsole(Console):
    """A console that falls silent when nobody reads it any longer; rich would end the program."""

    def on_broken_pipe(self) -> None:
        """Send this and all further output to nowhere: what is not written yet is flushed when Python ends."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


console = _LastingConsole(stderr=True, highlight=False)
"""Where progress is told: standard error, so that standard output holds results alone."""

results_console = _LastingConsole(highlight=False, markup=False)
"""Where final results are printed: standard output."""

_SECONDS_BETWEEN_LINES = 30.0


@contextmanager
def silenced() -> Iterator[None]:
    """Say nothing for a while."""
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


class ProgressBar:
    """Progress over a known number of steps, with tokens a second and the time left.

    Args:
        label: What is being done.
        total: Steps.
        enabled: False on all processes but the main one.
    """

    def __init__(self, label: str, total: int, *, enabled: bool = True) -> None:
        self.label = label
        self.total = total
        self.done = 0
        self.tokens = 0
        self._started = self._last_line = time.monotonic()
        self._pauses = 0.0
        self._lines = enabled and not console.is_terminal
        self._progress = _progress() if enabled and console.is_terminal else None
        self._task: TaskID | None = None

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

    def advance(self, tokens: int, note: str = "") -> None:
        """Count one step that read `tokens` tokens."""
        self.done += 1
        self.tokens += tokens
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, rate=f"{self.rate:,.0f} tokens/s {note}")
        elif self._lines and time.monotonic() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            left = self.seconds / self.done * (self.total - self.done)
            figures = f"{self.done}/{self.total}, {self.rate:,.0f} tokens/s, {_clock(left)} left"
            say(f"{self.label}: {figures} {note}".rstrip())

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do something else inside this block, which does not count."""
        start = time.monotonic()
        yield
        self._pauses += time.monotonic() - start

    @property
    def seconds(self) -> float:
        """Time since the start without pauses."""
        return time.monotonic() - self._started - self._pauses

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / max(self.seconds, 1e-9)


class _Rate(ProgressColumn):
    def __init__(self) -> None:
        super().__init__(table_column=Column(no_wrap=True))

    def render(self, task: ProgressTask) -> Text:
        return Text(str(task.fields.get("rate", "")), style="cyan")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )


def say(text: str) -> None:
    """Tell the user one thing, at once even where output is piped."""
    console.print(text, markup=False, soft_wrap=True)
    sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
