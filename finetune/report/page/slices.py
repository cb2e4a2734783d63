"""The scores by slice, as tables."""

from collections.abc import Sequence

from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import DataTable, interval, number, shortened, with_letter
from finetune.training.stored_slices import StoredSlice, stored_slices


def slice_tables(runs: Sequence[ReportedRun]) -> list[DataTable]:
    """Return a table of scores for each thing that the test split is divided by, with the runs side by side.

    The slices of the first run stand in the order of their scores, the worst first.
    """
    stored = [(run, one) for run in runs for one in stored_slices(run.results)]
    return [
        _table(by, metric, [(run, one) for run, one in stored if (one.by, one.metric) == (by, metric)], runs)
        for by, metric in dict.fromkeys((one.by, one.metric) for _, one in stored)
    ]


def _table(
    by: str, metric: str, stored: Sequence[tuple[ReportedRun, StoredSlice]], runs: Sequence[ReportedRun]
) -> DataTable:
    found = {(run.letter, one.name): one for run, one in stored}
    holders = list(dict.fromkeys(run.letter for run, _ in stored))
    kinds = ("examples", metric, "95% interval")
    headings = [with_letter(kind, letter, len(runs)) for letter in holders for kind in kinds]
    names = dict.fromkeys(one.name for _, one in stored)
    rows = tuple(
        (shortened(name), *(cell for letter in holders for cell in _cells(found.get((letter, name))))) for name in names
    )
    note = "The worst slices come first. Few examples say little: see the interval."
    return DataTable(f"{metric} by {by}", (by, *headings), rows, note=note)


def _cells(one: StoredSlice | None) -> tuple[str, str, str]:
    if one is None:
        return "", "", ""
    return f"{one.num_examples:,}", number(one.metric, one.score), interval(one.metric, one.interval)
