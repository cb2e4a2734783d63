"""Scores with their intervals: as a table in the terminal, as a line of the log, and as entries of results.json."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from rich.table import Table

from finetune.metrics import Interval, Scores
from finetune.metrics import greater_is_better as find_direction
from finetune.progress import format_score, results_console
from finetune.training.evaluation import EvaluationResult

FEWEST_EXAMPLES = 20
"""How many examples a slice has that is shown; the file of results has all slices."""
MOST_SLICES = 5
"""How many slices are shown."""


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


def print_slices(evaluated: EvaluationResult, greater_is_better: bool | None = None) -> None:
    """Print the worst slices that have enough examples on standard output; nothing where no slices were asked for.

    Args:
        evaluated: The scores.
        greater_is_better: Whether greater scores are better; None looks it up by the name of the score.
    """
    if not evaluated.slices:
        return
    metric = evaluated.slices[0].metric
    enough = [one for one in evaluated.slices if one.num_examples >= FEWEST_EXAMPLES and one.score is not None]
    if not enough:
        note = f"{len(evaluated.slices):,} slices: no slice has both {FEWEST_EXAMPLES} examples and a defined {metric}"
        results_console.print(note, soft_wrap=True)
        return
    greater = find_direction(metric) if greater_is_better is None else greater_is_better
    shown = sorted(enough, key=lambda one: (one.score or 0.0) * (-1 if greater is False else 1))[:MOST_SLICES]
    worst = "slices" if greater is None else "worst slices"
    of = f"{len(shown)} of {len(enough):,} slices with at least {FEWEST_EXAMPLES} examples"
    results_console.print(f"{worst} by {metric} ({of})", soft_wrap=True)
    table = Table("slice by", "value")
    for heading in ("examples", metric, "95% interval"):
        table.add_column(heading, justify="right")
    for one in shown:
        score = "not defined" if one.score is None else format_score(metric, one.score)
        table.add_row(one.by, one.name, f"{one.num_examples:,}", score, _bounds(metric, one.interval))
    results_console.print(table)


def scores_in_line(evaluated: EvaluationResult) -> Iterator[str]:
    """Yield each score as text, with its interval where it has one."""
    for name, value in evaluated.values.items():
        interval = f" ({_interval(evaluated, name)})" if name in evaluated.intervals else ""
        yield f"{name} {format_score(name, value)}{interval}"


def facts_of_scores(evaluated: EvaluationResult) -> dict[str, Any]:
    """Return the entries of results.json that stand beside the scores: intervals, details, signatures, slices."""
    slices: dict[str, list[dict[str, Any]]] = {}
    for one in evaluated.slices:
        interval = None if one.interval is None else [one.interval.low, one.interval.high]
        entry = {"slice": one.name, "examples": one.num_examples, one.metric: one.score, "interval": interval}
        slices.setdefault(one.by, []).append(entry)
    return {
        "intervals": {name: [one.low, one.high] for name, one in evaluated.intervals.items()},
        "details": evaluated.scores.details,
        "signatures": evaluated.scores.signatures,
    } | ({"slices": slices} if slices else {})


def _interval(evaluated: EvaluationResult, name: str) -> str:
    return _bounds(name, evaluated.intervals.get(name))


def _bounds(name: str, interval: Interval | None) -> str:
    if interval is None:
        return "not defined"
    return f"{format_score(name, interval.low)} to {format_score(name, interval.high)}"
