"""What parts of the GPU check yield, and the JSON file that holds it.

A part is a generator of results: comparisons with a tolerance, measurements, and what was left out with the reason.
"""

import math
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from scripts.benchmarking import Spread


@dataclass(frozen=True)
class Comparison:
    """A result that must agree with its reference.

    Args:
        name: What is compared.
        error: The largest difference, relative to the largest number of the reference.
        tolerance: The largest error that passes.
    """

    name: str
    error: float
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; an error that is not a number is not."""
        return self.error <= self.tolerance

    def __str__(self) -> str:
        return f"{self.name}: error {self.error:.2g}, tolerance {self.tolerance:.2g}"


@dataclass(frozen=True)
class Measurement:
    """A number that is measured and that nothing is required of.

    Args:
        name: What is measured.
        value: Median and quartiles over the rounds.
        unit: Unit of the numbers: "tokens/s", "ms", "GiB", "TFLOP/s", "times", "share".
    """

    name: str
    value: Spread
    unit: str

    def __str__(self) -> str:
        return f"{self.name}: {self.value} {self.unit}"


@dataclass(frozen=True)
class LeftOut:
    """Something that was not run.

    Args:
        name: What was left out.
        reason: Why it was left out.
    """

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: left out, {self.reason}"


@dataclass(frozen=True)
class Failed:
    """Something that raised an error.

    Args:
        name: What was run.
        traceback: The traceback.
    """

    name: str
    traceback: str

    def __str__(self) -> str:
        return f"{self.name}: {last_line(self.traceback)}"


@dataclass(frozen=True)
class Machine:
    """The machine that was found.

    Args:
        facts: What `setting.describe` returns; None where there is no GPU.
    """

    facts: dict[str, Any] | None


Result = Comparison | Measurement | LeftOut | Failed | Machine
Results = Iterator[Result]


def last_line(traceback_text: str) -> str:
    """Return the line of a traceback that names the error; further lines of its message are indented."""
    lines = traceback_text.strip().splitlines()
    return next((line for line in reversed(lines) if not line.startswith(" ")), lines[-1])


def attempt(name: str, run: Callable[[], Result]) -> Result:
    """Return the result of a function, or a `Failed` with the traceback where it raises an error.

    Args:
        name: What is run.
        run: The function.
    """
    try:
        return run()
    except Exception:
        return Failed(name, traceback.format_exc())


@dataclass
class PartReport:
    """The results of one part.

    Args:
        name: Name of the part.
        seconds: How long it ran.
        results: What it yielded, in order.
        traceback: The traceback of the error that ended it, or a sentence on how its process ended; None without an
            error.
    """

    name: str
    seconds: float = 0.0
    results: list[Result] = field(default_factory=list)
    traceback: str | None = None

    def of(self, kind: type) -> list[Any]:
        """Return the results of a kind: Comparison, Measurement or LeftOut."""
        return [result for result in self.results if isinstance(result, kind)]

    @property
    def status(self) -> str:
        """The outcome: "failed" after an error or a failed comparison, "left out" where nothing ran, else "passed"."""
        failed = self.traceback is not None or self.of(Failed)
        if failed or not all(one.passed for one in self.of(Comparison)):
            return "failed"
        return "passed" if self.of(Comparison) or self.of(Measurement) else "left out"

    def to_json(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "name": self.name,
            "status": self.status,
            "seconds": round(self.seconds, 1),
            "traceback": self.traceback,
            "comparisons": [
                {"name": one.name, "error": _finite(one.error), "tolerance": one.tolerance, "passed": one.passed}
                for one in self.of(Comparison)
            ],
            "measurements": [
                {"name": one.name, "unit": one.unit, **{key: _finite(each) for key, each in vars(one.value).items()}}
                for one in self.of(Measurement)
            ],
            "failures": [vars(one) for one in self.of(Failed)],
            "left_out": [vars(one) for one in self.of(LeftOut)],
        }


def _finite(number: float) -> float | None:
    """Return a number, or None for one that JSON cannot hold."""
    return number if math.isfinite(number) else None
