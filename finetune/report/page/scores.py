"""The scores of runs with their intervals and baselines, and their details by class, by type or by metric."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import NOT_DEFINED, DataTable, interval, is_number, number, shortened, with_letter

MOST_ROWS = 200
"""Number of classes that a table shows."""


def score_table(runs: Sequence[ReportedRun]) -> DataTable | None:
    """Return the scores of the test split, a column for each run and each baseline; None where no run has scores."""
    scored = [run for run in runs if run.part("test")]
    names = list(dict.fromkeys(name for run in scored for name in run.part("test")))
    if not names:
        return None
    baselines = dict(_baselines(scored))
    has_intervals = any(run.part("intervals") for run in scored)
    headings = ["score"]
    for run in scored:
        headings.append(with_letter("this run" if len(runs) == 1 else "", run.letter, len(runs)))
        headings += [with_letter("95% interval", run.letter, len(runs))] if has_intervals else []
    rows = [_row(name, scored, list(baselines.values()), has_intervals) for name in names]
    note = "" if has_intervals else "No intervals are stored: the runs were made before finetune computed them."
    return DataTable("Scores of the test split", (*headings, *baselines), tuple(rows), note=note)


def _row(
    name: str, runs: Sequence[ReportedRun], baselines: Sequence[Mapping[str, Any]], has_intervals: bool
) -> tuple[str, ...]:
    cells = [name]
    for run in runs:
        cells.append(number(name, run.part("test")[name]) if name in run.part("test") else "")
        if has_intervals:
            cells.append(interval(name, run.part("intervals").get(name)) if cells[-1] else "")
    return (*cells, *(number(name, scores[name]) if name in scores else "" for scores in baselines))


def _baselines(runs: Sequence[ReportedRun]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each baseline by name. One that differs between runs, as on other data, is yielded for each of them."""
    found: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for run in runs:
        for name, scores in run.part("baselines").items():
            same = [number for number, (_, known) in enumerate(found.get(name, [])) if known == scores]
            if not same:
                found.setdefault(name, []).append((run.letter, scores))
    for name, versions in found.items():
        for letter, scores in versions:
            yield (name if len(versions) == 1 else f"{name} ({letter})"), scores


def detail_tables(runs: Sequence[ReportedRun]) -> list[DataTable]:
    """Return the details of the scores, such as precision, recall and F1 of each class, with the runs side by side.

    Details that have the same numbers share a table, in which each class is a row.
    """
    kinds: dict[tuple[str, ...], list[str]] = {}
    for run in runs:
        for name, numbers in run.part("details").items():
            if isinstance(numbers, dict):
                names = kinds.setdefault(tuple(numbers), [])
                names += [] if name in names else [name]
    return [_detail_table(columns, names, runs) for columns, names in kinds.items()]


def _detail_table(columns: Sequence[str], names: Sequence[str], runs: Sequence[ReportedRun]) -> DataTable:
    holders = [run for run in runs if any(name in run.part("details") for name in names)]
    by_class = "f1" in columns
    headings = [with_letter(column, run.letter, len(runs)) for column in columns for run in holders]
    rows = tuple(
        (shortened(name), *(_detail(run, name, column) for column in columns for run in holders))
        for name in names[:MOST_ROWS]
    )
    kind = "type" if any(run.task.reads_words for run in holders) else "class"
    left_out = f"The first {MOST_ROWS:,} of {len(names):,} are shown." if len(names) > MOST_ROWS else ""
    caption = f"Scores of each {kind}" if by_class else f"Details of {', '.join(names)}"
    return DataTable(caption, (kind if by_class else "metric", *headings), rows, note=left_out)


def _detail(run: ReportedRun, name: str, column: str) -> str:
    numbers = run.part("details").get(name)
    if not isinstance(numbers, dict) or column not in numbers:
        return ""
    value = numbers[column]
    if not is_number(value):
        return NOT_DEFINED
    return f"{value:,.0f}" if column in ("support", "correct", "total") else number(column, value)


def signatures(runs: Sequence[ReportedRun]) -> list[str]:
    """Return the signatures of metrics, which say how they were computed, each once."""
    found = (f"{name}: {text}" for run in runs for name, text in run.part("signatures").items())
    return list(dict.fromkeys(found))
