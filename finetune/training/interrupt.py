"""Handling of SIGTERM and Ctrl-C.

After the first signal the run finishes its step, saves a checkpoint and ends. A second Ctrl-C ends it at once.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopNow(BaseException):
    """Raised by a signal inside `Signals.at_once`, to leave work that may be given up, such as an evaluation."""


class Signals:
    """Records the first SIGTERM or SIGINT that the process receives, as `received`.

    Python runs signal handlers in its main thread only. In another thread nothing is recorded, and signals have the
    effect that they had before.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._at_once = False

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Record signals inside this block; the previous handlers are restored at its end."""
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
        """Let a signal raise `StopNow` inside this block; raise it now if a signal was received before."""
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
        self.received = self.received or number  # launchers send SIGTERM after a Ctrl-C
        if self._at_once:
            self._at_once = False
            raise StopNow
