"""Diagnostics: the loggers of finetune, and how their messages are shown.

Each module logs to the logger of its own name (`finetune.training.loop`, ...), below the logger `finetune`. Notes have
the level INFO and warnings the level WARNING.

    logging.getLogger("finetune").setLevel(logging.WARNING)    # no notes and no progress bars
    logging.basicConfig(filename="train.log", level="INFO")    # notes go to a file

The command line shows all messages on standard error (`to_console`). A function of the library shows them there only
while it runs, and only if the program has not set up logging itself (`shown`).
"""

import logging
import os
import re
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class LastingConsole(Console):
    """A console that discards its output once the reader of a pipe has gone; rich would end the program."""

    def on_broken_pipe(self) -> None:
        """Discard this and all further output, also the buffered output that Python flushes when it ends."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


console = LastingConsole(stderr=True, highlight=False, force_jupyter=False)
"""The console for diagnostics, on standard error, so that standard output has only results.

In a notebook it writes plain text into one output, where rich would make a new output for each line.
"""

logger = logging.getLogger("finetune")
"""The parent of all loggers of finetune."""

_HANGING = re.compile(r"  (?:where|expected|found|fix): +")
"""The beginnings of those lines of a `UserError` after which the text is aligned."""
_OFF = logging.CRITICAL + 1


class ConsoleHandler(logging.Handler):
    """Shows messages on `console`, above a progress bar if there is one; warnings begin with `warning: `."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            prefix = "warning: " if record.levelno >= logging.WARNING else ""
            console.print(fit_to_width(prefix + self.format(record)), markup=False, soft_wrap=True)
            sys.stderr.flush()  # at once, also where output is piped
        except Exception:
            self.handleError(record)


def fit_to_width(text: str) -> str:
    """Return a message with its lines broken between words, so that they fit the terminal.

    A line that goes to a file or a pipe stays whole, so that it can be searched for, unless COLUMNS is set. No word is
    broken, and so no path.
    """
    if not (console.is_terminal or os.environ.get("COLUMNS")):
        return text
    return "\n".join(part for line in text.split("\n") for part in _broken(line, console.width))


def _broken(line: str, width: int) -> list[str]:
    """Return a line in parts of at most `width` characters; the parts after the first are indented."""
    match = _HANGING.match(line)
    indent = " " * (len(match[0]) if match else len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, tabsize=4
    ) or [line]


def to_console() -> None:
    """Show notes and warnings on standard error from now on, whatever other handlers there are; for commands.

    Libraries show no progress bars of their own then, unless the user's environment asks for them.
    """
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    if not any(isinstance(handler, ConsoleHandler) for handler in logger.handlers):
        logger.addHandler(ConsoleHandler())
    logger.setLevel(logging.INFO)


@contextmanager
def shown() -> Iterator[None]:
    """Show notes and warnings on standard error inside this block, unless the program has set up logging.

    It has done so if the root logger or `finetune` has a handler, which then receives the messages. A level that was
    set for `finetune` is respected in either case.
    """
    if logger.hasHandlers():
        yield
        return
    handler, level = ConsoleHandler(), logger.level
    logger.addHandler(handler)
    if level == logging.NOTSET:
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def silenced() -> Iterator[None]:
    """Log and show nothing inside this block."""
    before = logger.level, console.quiet
    logger.setLevel(_OFF)
    console.quiet = True
    try:
        yield
    finally:
        logger.setLevel(before[0])
        console.quiet = before[1]


def shows_progress() -> bool:
    """Return whether notes, and with them progress bars, are shown."""
    return logger.isEnabledFor(logging.INFO) and not console.quiet
