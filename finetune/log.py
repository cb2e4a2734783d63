"""Diagnostics: the loggers of finetune, and who shows what they are told.

Each module tells what it does to the logger of its own name (`finetune.training.loop`, ...), all of them below
`finetune`. Notes have the level INFO and warnings the level WARNING, as usual with `logging`.

    logging.getLogger("finetune").setLevel(logging.WARNING)    # no notes and no progress bars
    logging.basicConfig(filename="train.log", level="INFO")    # notes go to a file

The command line shows everything on standard error (`to_console`). A function of the library shows it there only while
it works and only where the program has not set up logging itself (`shown`).
"""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class LastingConsole(Console):
    """A console that falls silent when nobody reads it any longer; rich would end the program."""

    def on_broken_pipe(self) -> None:
        """Send this and all further output to nowhere: what is not written yet is flushed when Python ends."""
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


console = LastingConsole(stderr=True, highlight=False, force_jupyter=False)
"""Where diagnostics are shown: standard error, so that standard output holds results alone. In a notebook, lines of
plain text follow each other in one output, where rich would open a new one for each line."""

logger = logging.getLogger("finetune")
"""The logger above all others of finetune."""

_OFF = logging.CRITICAL + 1


class ConsoleHandler(logging.Handler):
    """Shows messages on `console`, above a progress bar where there is one; warnings begin with `warning: `."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            prefix = "warning: " if record.levelno >= logging.WARNING else ""
            console.print(prefix + self.format(record), markup=False, soft_wrap=True)
            sys.stderr.flush()  # at once, also where output is piped
        except Exception:
            self.handleError(record)


def to_console() -> None:
    """Show notes and warnings on standard error from now on, whatever else is set up; for commands."""
    if not any(isinstance(handler, ConsoleHandler) for handler in logger.handlers):
        logger.addHandler(ConsoleHandler())
    logger.setLevel(logging.INFO)


@contextmanager
def shown() -> Iterator[None]:
    """Show notes and warnings on standard error inside this block, unless the program has set up logging.

    It has if the root logger or `finetune` has a handler, which then gets what its levels let pass. A level that was
    set for `finetune` holds in either case.
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
    """Tell nothing to anybody inside this block."""
    before = logger.level, console.quiet
    logger.setLevel(_OFF)
    console.quiet = True
    try:
        yield
    finally:
        logger.setLevel(before[0])
        console.quiet = before[1]


def shows_progress() -> bool:
    """Return whether notes are wanted, and progress bars with them."""
    return logger.isEnabledFor(logging.INFO) and not console.quiet
