"""Writes the table of GPU figures into README.md, from the file that `scripts/check_gpu --output` has written.

    python -m scripts.gpu_figures [docs/gpu_check.json]

As long as there is no such file, README.md has no table, and a call removes one that is there.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FIGURES, README = ROOT / "docs" / "gpu_check.json", ROOT / "README.md"
BEGIN, END = "<!-- --8<-- [start:gpu] -->\n", "<!-- --8<-- [end:gpu] -->\n"
AFTER = "<!-- --8<-- [end:benchmarks] -->\n"
"""The line of README.md after which the table stands."""


def gpu_table(report: Mapping[str, Any]) -> str:
    """Return the table of what a GPU check has measured, as Markdown.

    Args:
        report: The content of the JSON file.

    Raises:
        ValueError: A comparison of the check has failed, or it ran on a CPU, or it was a quick one: such figures are
            not published.
    """
    machine = report["machine"]
    if machine["device"] != "cuda" or report["quick"] or not report["passed"]:
        raise ValueError("figures are published of a full check on a GPU that has passed; this is none")
    measured = [one for part in report["parts"] for one in part["measurements"] if one["median"] is not None]
    compared = sum(len(part["comparisons"]) for part in report["parts"])
    versions = machine["versions"]
    lines = [
        f"On one {machine['name']} ({machine['memory_gib']:g} GiB), torch {versions['torch']},",
        f"transformers {versions['transformers']}; {compared} comparisons with references were within tolerance.",
        "Medians, with quartiles, of rounds in which all take turns in one process, by `scripts/check_gpu`.",
        "",
        "| | | |",
        "|---|---|---|",
        *(f"| {one['name']} | {spread(one)} | {one['unit']} |" for one in measured),
    ]
    return "\n".join(lines) + "\n"


def spread(measured: Mapping[str, Any]) -> str:
    """Return a median, with quartiles where they differ from it."""
    lower, median, upper = (number(measured[key]) for key in ("lower", "median", "upper"))
    return median if lower == median == upper else f"{median} ({lower} to {upper})"


def number(value: float) -> str:
    """Return a number with three significant digits, and commas where it is large."""
    return f"{float(f'{value:.3g}'):,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def with_table(readme: str, report: Mapping[str, Any] | None) -> str:
    """Return the text of README.md with the table of a report in place of one that is there; without a report, none.

    Args:
        readme: The text.
        report: The content of the JSON file; None where there is none.

    Raises:
        ValueError: The report is not to be published, or the text has no place for the table.
    """
    without = re.sub(f"\n?{re.escape(BEGIN)}.*?{re.escape(END)}", "", readme, flags=re.DOTALL)
    if report is None:
        return without
    if AFTER not in without:
        raise ValueError(f"README.md has no line {AFTER.strip()}")
    return without.replace(AFTER, f"{AFTER}\n{BEGIN}{gpu_table(report)}{END}", 1)


def main(words: Sequence[str] | None = None) -> int:
    """Run as a command."""
    given = sys.argv[1:] if words is None else words
    path = Path(given[0]) if given else FIGURES
    report = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    try:
        README.write_text(with_table(README.read_text(encoding="utf-8"), report), encoding="utf-8")
    except ValueError as error:
        print(f"{path}: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
