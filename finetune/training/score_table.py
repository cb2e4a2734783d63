"""Scores with their intervals: as a table in the terminal, as a line of the log, and as entries of results.json."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from rich.table import Table

from finetune.metrics import Scores
from finetune.progress import format_score, results_console
from finetune.training.evaluation import EvaluationResult


def print_scores(
    title: str, model: str, evaluated: EvaluationResult, baseline_scores: Mapping[str, Scores] = MappingProxyType({})
) -> None:
    """Print scores with their intervals on standard output, beside those of the baselines.

    Args:
        title: The line above the table.
        model: The heading of the scores.
        evaluated: The scores.
        baseline_scores: The scores of the baselines by name.
    """
    results_console.print(title, soft_wrap=True)
    table = Table("score")
    for heading in (model, "95% interval", *baseline_scores):
        table.add_column(heading, justify="right")
    for name, value in evaluated.values.items():
        others = [scores.values.get(name) for scores in baseline_scores.values()]
        shown = ("" if other is None else format_score(name, other) for other in others)
        table.add_row(name, format_score(name, value), _interval(evaluated, name), *shown)
    results_console.print(table)
    groups = {record.extra["group"] for record in evaluated.records if "group" in record.extra}
    if groups:
        drawn = f"intervals are of {len(groups):,} groups, which are drawn as a whole (data.group_column)"
        results_console.print(drawn, soft_wrap=True)
    for name, signature in evaluated.scores.signatures.items():
        results_console.print(f"{name}: {signature}", soft_wrap=True)


def scores_in_line(evaluated: EvaluationResult) -> Iterator[str]:
    """Yield each score as text, with its interval where it has one."""
    for name, value in evaluated.values.items():
        interval = f" ({_interval(evaluated, name)})" if name in evaluated.intervals else ""
        yield f"{name} {format_score(name, value)}{interval}"


def facts_of_scores(evaluated: EvaluationResult) -> dict[str, Any]:
    """Return the entries of results.json that stand beside the scores: intervals, details, signatures."""
    return {
        "intervals": {name: [one.low, one.high] for name, one in evaluated.intervals.items()},
        "details": evaluated.scores.details,
        "signatures": evaluated.scores.signatures,
    }


def _interval(evaluated: EvaluationResult, name: str) -> str:
    interval = evaluated.intervals.get(name)
    if interval is None:
        return "not defined"
    return f"{format_score(name, interval.low)} to {format_score(name, interval.high)}"
