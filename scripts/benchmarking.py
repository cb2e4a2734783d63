"""Tools that all benchmarks share: alternating time measurements, ratios with quartiles, memory, tables.

The speed of a machine drifts, and other processes may use it. So alternatives are measured in turn in one process, in
an order that changes from round to round, and the median of the rounds' ratios is reported with its quartiles.
"""

import multiprocessing
import platform
import random
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Spread:
    """Median and quartiles."""

    lower: float
    median: float
    upper: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Return the spread of one or more values."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
        return cls(lower, median, upper)

    def times(self, factor: float) -> "Spread":
        """Return the spread of the values multiplied by a factor."""
        return Spread(self.lower * factor, self.median * factor, self.upper * factor)

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.lower:.3g} to {self.upper:.3g})"


@dataclass(frozen=True)
class Timings:
    """Seconds of each alternative in each round, by name; round i is the same round for all of them."""

    seconds: Mapping[str, Sequence[float]]

    def of(self, name: str) -> Spread:
        """Return the spread of the seconds of one alternative."""
        return Spread.of(self.seconds[name])

    def speedup(self, name: str, over: str) -> Spread:
        """Return the spread of the speed of one alternative relative to another, round by round."""
        pairs = zip(self.seconds[over], self.seconds[name], strict=True)
        return Spread.of([other / own for other, own in pairs])


def interleave(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    warmup: int = 1,
    seed: int = 0,
    before: Mapping[str, Callable[[], object]] | None = None,
) -> Timings:
    """Measure each alternative once per round, in an order that is drawn anew for each round.

    Args:
        ways: The functions to measure, by name.
        rounds: Number of rounds.
        warmup: Number of calls of each function before the first round, which are not measured.
        seed: Seed of the orders.
        before: Functions that are called before each measurement of the alternative of that name, not measured.
    """
    for way in ways.values():
        for _ in range(warmup):
            way()
    order = random.Random(seed)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name in order.sample(list(ways), len(ways)):
            if before and name in before:
                before[name]()
            seconds[name].append(time_once(ways[name]))
    return Timings(seconds)


def time_once(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    synchronize()
    start = time.perf_counter()
    function()
    synchronize()
    return time.perf_counter() - start


def synchronize() -> None:
    """Wait until the GPU has finished its work, if there is one."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_memory(function: Callable[[], object], *, prepare: Callable[[], object] | None = None) -> float:
    """Return the MiB by which a call of a function raises the peak memory of a new process.

    Args:
        function: The function, which can be pickled.
        prepare: A function that is called first in that process; the memory that it needs is not counted.
    """
    context = multiprocessing.get_context("spawn")
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(function, prepare, sending))
    process.start()
    sending.close()
    try:
        added: float = receiving.recv()
    finally:
        process.join()
    return added


def _measure(function: Callable[[], object], prepare: Callable[[], object] | None, connection: Connection) -> None:
    if prepare is not None:
        prepare()
    before = _peak_mebibytes()
    function()
    connection.send(_peak_mebibytes() - before)


def _peak_mebibytes() -> float:
    # On Linux a new process may report its parent's peak as its own in getrusage, but not here.
    own = _line_of("/proc/self/status", "VmHWM")
    if own is not None:
        return int(own.removesuffix("kB")) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _line_of(path: str, name: str) -> str | None:
    """Return the text after `name:` in a file of Linux's /proc, or None if there is no such file or line."""
    if not Path(path).exists():
        return None
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), None)


def machine() -> str:
    """Return a description of the machine: CPU, threads, GPU, version of torch."""
    cpu = platform.processor() or platform.machine()
    named = _line_of("/proc/cpuinfo", "model name")
    cpu = cpu if named is None else named
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    capability = torch.backends.cpu.get_cpu_capability()
    return f"{cpu} ({capability}), {torch.get_num_threads()} threads{gpu}, torch {torch.__version__}"


def print_table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], console: "Console | None" = None
) -> None:
    """Print a table and a line on the machine.

    Args:
        title: Title of the table.
        columns: Headings of the columns; the first column is left-aligned, and the others are right-aligned.
        rows: Cells of each row.
        console: Where the table is printed; None means standard output, 160 characters wide if it is no terminal.
    """
    from rich.console import Console  # scripts/check_gpu uses this module where rich may not be installed
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*map(str, row))
    console = console or Console(width=None if sys.stdout.isatty() else 160)
    console.print(table)
    console.print(machine(), highlight=False)
