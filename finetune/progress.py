"""Progress that people can read: a bar in a terminal or a notebook, a line now and then elsewhere."""

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

__all__ = ["ProgressBar", "console", "format_score", "results_console", "say", "silenced", "warn"]

results_console = LastingConsole(highlight=False, markup=False)
"""Where final results are printed: standard output."""

_SECONDS_BETWEEN_LINES = 30.0


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
        """Count one step that read `tokens` tokens."""
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
        """Do something else inside this block, which does not count."""
        start = time.monotonic()
        yield
        self._pauses += time.monotonic() - start

    @property
    def seconds(self) -> float:
        """Time since the start without pauses."""
        return time.monotonic() - self._started - self._pauses

    @property
    def _left(self) -> float:
        """Seconds until the end, at the pace so far."""
        return self.seconds / max(self.done, 1) * (self.total - self.done)

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
    """Tell the user one thing: a note (INFO) to the logger of the calling module."""
    _tell(logging.INFO, text)


def warn(text: str) -> None:
    """Warn the user of one thing (WARNING) through the logger of the calling module."""
    _tell(logging.WARNING, text)


def _tell(level: int, text: str) -> None:
    module = sys._getframe(2).f_globals.get("__name__", "")
    name = module if module.startswith("finetune.") else "finetune"
    logging.getLogger(name).log(level, "%s", text, stacklevel=3)


def format_score(name: str, value: float) -> str:
    """A score as people write it: BLEU and chrF to two digits, shares and losses to four."""
    return f"{value:.2f}" if abs(value) > 1 and name != "loss" else f"{value:.4f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
