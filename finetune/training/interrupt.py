"""SIGTERM and Ctrl-C: the run saves a checkpoint at the end of its step, and a second Ctrl-C ends it at once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopNow(BaseException):
    """Leaves what may be given up, such as an evaluation; raised by the signal inside `Signals.at_once`."""


class Signals:
    """Notes that the process was told to end, where the loop can ask for it.

    Signals reach Python's main thread alone: used in another, nothing is noted and they do what they did before.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._at_once = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note signals inside this block; the handlers before it are put back at its end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[int, Any] = {number: signal.signal(number, self._note) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Let a signal raise `StopNow` inside this block."""
        if self.received is not None:
            raise StopNow
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received == signal.SIGINT == number:
            raise KeyboardInterrupt
        self.received = self.received or number  # a launcher that gets Ctrl-C sends SIGTERM after it
        if self._at_once:
            self._at_once = False
            raise StopNow
