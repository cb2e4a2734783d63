"""Comparisons of runs as text, and as files."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from finetune import atomic
from finetune.errors import UserError
from finetune.progress import format_score
from finetune.report.comparison import LEVEL, ChangedExample, RunComparison, ScoreDifference


def comparison_table(comparison: RunComparison, examples: int = 3) -> RenderableType:
    """Return a comparison for the terminal: the differences with their verdicts, and some examples.

    Args:
        comparison: The comparison.
        examples: How many examples are shown that got better, and how many that got worse.
    """
    table = Table("score", box=None)
    for heading in ("A", "B", "B - A", "95% interval", "p"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for one in comparison.scores:
        table.add_row(*difference_row(one))
    better = [one for one in comparison.changed if one.change > 0]
    worse = [one for one in comparison.changed if one.change < 0]
    lines = [
        Text(f"A: {comparison.first.folder}"),
        Text(f"B: {comparison.second.folder}"),
        Text(f"{len(comparison.first.records):,} examples{_groups(comparison)}"),
    ]
    counts = Text(f"\nB predicts {len(better):,} examples better than A, and {len(worse):,} worse.")
    note = Text("p is corrected for the number of scores and runs that are compared.", style="dim")
    shown = [*_examples("better in B", better[:examples]), *_examples("worse in B", worse[:examples])]
    return Group(*lines, table, note, counts, *shown)


def _groups(comparison: RunComparison) -> str:
    groups = comparison.first.groups
    return "" if groups is None else f" in {len(set(groups)):,} groups, which are drawn as a whole"


def difference_row(one: ScoreDifference, names: tuple[str, str] = ("A", "B")) -> tuple[str, ...]:
    """Return a difference as the cells of a row: name, both scores, difference, interval, p-value, verdict.

    Args:
        one: The difference.
        names: What the verdict calls the first and the second run.
    """
    difference = one.difference
    scores = [format_score(one.name, value) for value in (difference.first, difference.second)]
    interval = difference.interval
    bounds = "not defined" if interval is None else f"{_signed(one, interval.low)} to {_signed(one, interval.high)}"
    p_value = f"{one.corrected_p_value:.3g}"
    return one.name, *scores, _signed(one, difference.value), bounds, p_value, _verdict(one, names)


def _signed(one: ScoreDifference, value: float) -> str:
    largest = max(abs(one.difference.first), abs(one.difference.second))
    return f"{value:+.2f}" if largest > 1 and one.name != "loss" else f"{value:+.4f}"


def _verdict(one: ScoreDifference, names: tuple[str, str]) -> str:
    if not one.is_real:
        return "may be chance"
    return {True: f"{names[1]} is better", False: f"{names[0]} is better", None: "they differ"}[one.is_better]


def _examples(heading: str, examples: Sequence[ChangedExample]) -> Iterator[Text]:
    if examples:
        yield Text(f"\n{heading}:", style="bold")
    for one in examples:
        yield Text(f"  {one.record.id}: {_shortened(one.record.input)}")
        yield Text(f"     reference {_shortened(one.record.reference)}")
        yield Text(f"     A {_shortened(one.record.prediction)}   B {_shortened(one.prediction)}")


def _shortened(value: Any, length: int = 200) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 3] + "..."


def print_comparisons(comparisons: Sequence[RunComparison], examples: int = 3) -> None:
    """Print comparisons on standard output."""
    terminal = Console(highlight=False)
    console = terminal if terminal.is_terminal else Console(width=200, highlight=False)
    for number, comparison in enumerate(comparisons):
        console.print(*(["\n"] if number else []), comparison_table(comparison, examples))
    if not any(one.is_real for comparison in comparisons for one in comparison.scores):
        console.print(f"\nNo difference is more than chance (p < {LEVEL:g}).")


def write_changed(comparisons: Sequence[RunComparison], path: Path) -> None:
    """Write all examples that changed, one JSON object a line.

    Raises:
        UserError: The file is there already, or cannot be written.
    """
    if path.exists():
        raise UserError(f"{path} is there already", fix="name a new file: --output ...")
    lines = [
        json.dumps(
            {
                "first": str(comparison.first.folder),
                "second": str(comparison.second.folder),
                "id": one.record.id,
                "input": one.record.input,
                "reference": one.record.reference,
                "first_prediction": one.record.prediction,
                "second_prediction": one.prediction,
                "change": one.change,
            },
            ensure_ascii=False,
        )
        for comparison in comparisons
        for one in comparison.changed
    ]
    try:
        atomic.write_text(path, "".join(f"{line}\n" for line in lines))
    except OSError as error:
        raise UserError(f"{path} cannot be written", found=error.strerror) from error
