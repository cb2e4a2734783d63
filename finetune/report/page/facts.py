"""What was run, with what, and on which data, as tables with a column for each run."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from finetune.data.messages import plural
from finetune.recipe.changes import Changes
from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import DataTable, number, shortened, with_letter

_LONGEST = 600
_MOST_LABELS = 100


def fact_table(runs: Sequence[ReportedRun]) -> DataTable:
    """Return what was run: recipe, changes, masks, seed, packages and machine; facts that no run has are left out."""
    facts: dict[str, Callable[[ReportedRun], str]] = {
        "recipe": lambda run: run.recipe.name,
        "task": lambda run: run.recipe.task.kind.replace("_", " "),
        "model": lambda run: run.recipe.model.description,
        "data": lambda run: run.recipe.data.description,
        "masks": lambda run: run.recipe.attention.description,
        "changed from the recipe": _changes,
        "seed": lambda run: str(run.recipe.seed),
        "steps": _steps,
        "best checkpoint": _best,
        "precision": _precision,
        "adapter": lambda run: run.recipe.adapter.kind if run.recipe.adapter else "",
        "packages": _packages,
        "machine": _machine,
    }
    rows = ((name, *(shortened(tell(run), _LONGEST) for run in runs)) for name, tell in facts.items())
    kept = tuple(row for row in rows if any(row[1:]))
    headings = [with_letter("this run" if len(runs) == 1 else "", run.letter, len(runs)) for run in runs]
    return DataTable("Recipe, changes, masks, seed and packages", ("", *headings), kept, is_numeric=False)


def _changes(run: ReportedRun) -> str:
    stored = run.results.get("changed", run.environment.get("changed"))
    if not isinstance(stored, dict):
        return "not stored"
    return "\n".join(map(str, Changes.from_json(stored).listed)) or "nothing"


def _steps(run: ReportedRun) -> str:
    done, total = run.part("steps").get("step"), run.part("steps").get("total_steps")
    if isinstance(done, int) and isinstance(total, int):
        return f"{done:,}" if done == total else f"{done:,} of {total:,}"
    return f"{run.entries[-1]['step']:,} so far" if run.entries else ""


def _best(run: ReportedRun) -> str:
    best = run.part("best_metric")
    scores = ", ".join(f"dev {name} {number(name, value)}" for name, value in best.items())
    return f"step {run.results['best_step']:,}, {scores}" if isinstance(run.results.get("best_step"), int) else ""


def _precision(run: ReportedRun) -> str:
    stored = run.environment.get("precision")
    return str(stored.get("name", "")) if isinstance(stored, dict) else ""


def _packages(run: ReportedRun) -> str:
    packages = run.environment.get("packages")
    found = [f"{name} {version}" for name, version in packages.items()] if isinstance(packages, dict) else []
    python = run.environment.get("python")
    return ", ".join([*found, *([f"Python {python}"] if python else [])])


def _machine(run: ReportedRun) -> str:
    gpus, threads = run.environment.get("gpus"), run.environment.get("threads")
    named = [str(gpu) for gpu in gpus] if isinstance(gpus, list) else []
    return ", ".join([*named, *([plural(threads, "CPU thread")] if isinstance(threads, int) else [])])


def split_tables(runs: Sequence[ReportedRun]) -> list[DataTable]:
    """Return the figures of the data: sizes and lengths of the splits, and the counts of labels.

    Runs on the same data share their tables. A run that has stored no figures has none.
    """
    groups: dict[str, list[ReportedRun]] = {}
    for run in runs:
        if splits := _splits(run):
            groups.setdefault(json.dumps(splits, sort_keys=True), []).append(run)
    return [
        table
        for group in groups.values()
        for table in _tables(_splits(group[0]), "" if len(runs) == 1 else f", {', '.join(one.letter for one in group)}")
    ]


def _splits(run: ReportedRun) -> dict[str, dict[str, Any]]:
    return {name: figures for name, figures in run.part("splits").items() if isinstance(figures, dict)}


def _tables(splits: dict[str, dict[str, Any]], whose: str) -> Iterator[DataTable]:
    headings = ("split", "examples", "tokens", "median length", "95% are up to", "longest", "texts cut")
    rows = tuple((name, *_sizes(figures)) for name, figures in splits.items())
    note = "Lengths are in tokens, of inputs and outputs together."
    yield DataTable(f"Sizes of the splits{whose}", headings, rows, note=note)
    counts = {name: figures["labels"] for name, figures in splits.items() if isinstance(figures.get("labels"), dict)}
    labels = list(dict.fromkeys(label for labels in counts.values() for label in labels))
    if labels:
        rows = tuple(
            (shortened(label), *(_count(counts[name].get(label, 0)) for name in counts))
            for label in labels[:_MOST_LABELS]
        )
        left_out = "" if len(labels) < _MOST_LABELS else f"The {_MOST_LABELS} most frequent labels are shown."
        yield DataTable(f"How often each label occurs{whose}", ("label", *counts), rows, note=left_out)


def _sizes(figures: dict[str, Any]) -> Iterator[str]:
    tokens = figures.get("tokens")
    lengths = tokens if isinstance(tokens, dict) else {}
    yield _count(figures.get("examples"))
    for name in ("total", "median", "95%", "longest"):
        yield _count(lengths.get(name))
    cut = figures.get("cut")
    yield "none are cut" if cut is None else _count(cut)


def _count(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else "not stored"
