"""Runs the parts of the GPU check one after the other, each in a process of its own, within a budget of time.

A kernel that fails can break CUDA for the rest of its process, and a compiler can hang. So each part has its own
process, which is ended when its time is up; what it has yielded until then is kept. Processes are forked from a server
that has imported the heavy libraries and has not used CUDA, or started anew where a forked one cannot use CUDA.
"""

import math
import multiprocessing
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from scripts.gpu_checks.results import Failed, LeftOut, PartReport, Result, Results
from scripts.gpu_checks.setting import Setting

GRACE = 15.0
"""Seconds after its deadline in which a part may end what it has begun."""
START = 20.0
"""Seconds that a process may need to import libraries and to start CUDA, beside the time of its part."""
MOST_FAILURES = 8
"""Number of failures after which a part ends."""


@dataclass(frozen=True)
class Part:
    """A part of the check.

    Args:
        name: Name of the part.
        run: Yields the results; it can be pickled.
        share: Share of the time that is left which the part may take, relative to the shares of the parts after it.
        least: Seconds without which the part is not begun.
    """

    name: str
    run: Callable[[Setting], Results]
    share: float
    least: float = 5.0


@dataclass(frozen=True)
class Budget:
    """The time of all parts.

    Args:
        end: The time, as `time.monotonic` counts, at which everything has ended.
    """

    end: float

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.end - time.monotonic()

    def of_part(self, parts: Sequence[Part]) -> float:
        """Return the seconds that the first of the parts which are still to come may take."""
        usable = self.left() - min(GRACE, self.left() / 10)
        return usable * parts[0].share / sum(part.share for part in parts)


def run_parts(
    parts: Sequence[Part],
    device: str,
    *,
    quick: bool,
    budget: Budget,
    method: str,
    on_result: Callable[[str, Result], object],
    on_part: Callable[[PartReport], object],
) -> None:
    """Run parts in order; a part that fails, or whose time is up, does not keep those after it from running.

    Args:
        parts: The parts.
        device: Type of the device, "cuda" or "cpu".
        quick: Whether sizes are small and rounds are few.
        budget: The time of all parts.
        method: How processes are started, "forkserver" or "spawn".
        on_result: Is called with the name of a part and each of its results when it comes.
        on_part: Is called with the report of each part when it has ended.
    """
    for number, part in enumerate(parts):
        seconds = budget.of_part(parts[number:])
        if seconds < part.least and not math.isinf(seconds):
            report = PartReport(part.name, results=[LeftOut(part.name, f"only {max(seconds, 0):.0f} s were left")])
            on_result(part.name, report.results[0])
        else:
            kill_after = min(seconds + GRACE + START, max(budget.left(), 1.0))
            report = run_in_process(part, device, quick, seconds, kill_after, on_result, method)
        on_part(report)


def run_in_process(
    part: Part,
    device: str,
    quick: bool,
    seconds: float,
    kill_after: float,
    on_result: Callable[[str, Result], object],
    method: str,
) -> PartReport:
    """Run a part in a new process, and end it after some time.

    Args:
        part: The part.
        device: Type of the device, "cuda" or "cpu".
        quick: Whether sizes are small and rounds are few.
        seconds: Seconds after which the part begins nothing more.
        kill_after: Seconds after which its process is ended.
        on_result: Is called with the name of the part and each result when it comes.
        method: How the process is started, "forkserver" or "spawn".
    """
    context: Any = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    report, start = PartReport(part.name), time.monotonic()
    process = context.Process(target=send_results, args=(part.run, device, quick, seconds, sending))
    process.start()
    sending.close()
    try:
        ended = receive(receiving, report, start + kill_after, on_result)
        if not ended:
            report.traceback = f"the part did not end within {kill_after:.0f} s; its process was killed"
    except EOFError:
        process.join()
        report.traceback = f"the process of the part ended with status {process.exitcode}"
    finally:
        if process.is_alive():
            process.join(2)
            process.kill()
        process.join()
        receiving.close()
    report.seconds = time.monotonic() - start
    return report


def receive(connection: Connection, report: PartReport, end: float, on_result: Callable[[str, Result], object]) -> bool:
    """Add what a part sends to its report, until it says that it has ended.

    Args:
        connection: Where messages come from: results, then None, or the text of a traceback.
        report: The report.
        end: The time, as `time.monotonic` counts, until which to wait.
        on_result: Is called with the name of the part and each result when it comes.

    Returns:
        Whether the part has ended; False when the time is up.

    Raises:
        EOFError: The process has ended before it said so.
    """
    while connection.poll(max(0.0, min(end - time.monotonic(), 3600.0))):
        message: Any = connection.recv()
        if message is None or isinstance(message, str):
            report.traceback = message
            return True
        report.results.append(message)
        on_result(report.name, message)
    return False


def send_results(
    run: Callable[[Setting], Results], device: str, quick: bool, seconds: float, connection: Connection
) -> None:
    """Send the results of a part, then None or the text of a traceback; nothing more is begun when its time is up.

    Args:
        run: Yields the results.
        device: Type of the device, "cuda" or "cpu".
        quick: Whether sizes are small and rounds are few.
        seconds: Seconds after which nothing more is begun.
        connection: Where to send.
    """
    try:
        setting = Setting(device, quick, time.monotonic() + seconds)
        failures = 0
        for count, result in enumerate(run(setting), 1):
            connection.send(result)
            failures += isinstance(result, Failed)
            reason = why_end(setting, count, failures)
            if reason is not None:
                connection.send(LeftOut("the rest", reason))
                break
        connection.send(None)
    except BaseException:
        connection.send(traceback.format_exc())


def why_end(setting: Setting, count: int, failures: int) -> str | None:
    """Return why a part ends before its last result; None where it goes on.

    Args:
        setting: How the part is run.
        count: Number of results.
        failures: How many of them are failures. After an error on the device, all that follows usually fails, too.
    """
    if failures >= MOST_FAILURES:
        return f"the part ended after {failures} failures"
    return f"the time of the part was up after {count} results" if setting.seconds_left <= 0 else None
