"""The comparison of several runs with the first, and the examples that changed."""

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.errors import UserError
from finetune.report.comparison import RunComparison, compare_runs
from finetune.report.comparison_tables import difference_row
from finetune.report.page.examples import Cell, ExampleRow, ExampleTable, plain
from finetune.report.page.folders import ReportedRun
from finetune.report.page.tables import DataTable

_MOST_ROWS = 200
_MOST_BYTES = 600_000


@dataclass(frozen=True)
class ComparedRun:
    """How a run differs from the first one.

    Args:
        title: The letters of both runs.
        scores: The differences of the scores.
        changed: The examples that one of them predicts better.
    """

    title: str
    scores: DataTable
    changed: ExampleTable


def comparisons(runs: Sequence[ReportedRun]) -> list[ComparedRun | str]:
    """Return the comparison of each run but the first with the first, or else a sentence that says why there is none.

    The p-values are corrected for the scores of all runs that can be compared.
    """
    first, *others = runs
    reasons: dict[str, str] = {}
    for run in others:
        try:
            _check_kinds(first, run)
            if len(others) > 1:
                compare_runs([first.folder, run.folder])
        except UserError as error:
            reasons[run.letter] = _reason(first, run, error)
    comparable = [run for run in others if run.letter not in reasons]
    found: dict[str, ComparedRun] = {}
    try:
        compared = compare_runs([first.folder, *(run.folder for run in comparable)]) if comparable else []
        found = {
            run.letter: _shown(first, run, one, len(comparable)) for run, one in zip(comparable, compared, strict=True)
        }
    except UserError as error:
        reasons |= {run.letter: _reason(first, run, error) for run in comparable}
    return [found.get(run.letter) or reasons[run.letter] for run in others]


def _check_kinds(first: ReportedRun, second: ReportedRun) -> None:
    """Make sure that two runs are finished and of one task, before anything of them is loaded.

    Raises:
        UserError: They are not.
    """
    for run in (first, second):
        if not run.is_finished:
            raise UserError(f"{run.letter} is not finished")
    kinds = [run.recipe.task.kind.replace("_", " ") for run in (first, second)]
    if kinds[0] != kinds[1]:
        raise UserError("they are runs of different tasks", found=" and ".join(kinds))


def _reason(first: ReportedRun, run: ReportedRun, error: UserError) -> str:
    found = f": {error.found}" if error.found else ""
    return f"{first.letter} and {run.letter} are not compared, as {error.problem}{found}."


def _shown(first: ReportedRun, second: ReportedRun, comparison: RunComparison, count: int) -> ComparedRun:
    one, other = first.letter, second.letter
    rows = tuple(difference_row(score, (one, other)) for score in comparison.scores)
    headings = ("score", one, other, f"{other} - {one}", "95% interval", "p", "")
    note = "p is corrected for the number of scores and runs that are compared."
    caption = f"Differences on {len(comparison.first.records):,} test examples"
    return ComparedRun(
        f"{other} compared with {one}",
        DataTable(caption, headings, rows, note=note),
        _changed(comparison, one, other, count),
    )


def _changed(comparison: RunComparison, one: str, other: str, count: int) -> ExampleTable:
    better = sum(example.change > 0 for example in comparison.changed)
    worse = len(comparison.changed) - better
    rows: list[ExampleRow] = []
    room = _MOST_BYTES // count
    for example in comparison.changed[: max(_MOST_ROWS // count, 10)]:
        record = example.record
        texts = [plain(value) for value in (record.input, record.reference, record.prediction, example.prediction)]
        number = Cell.of(str(record.id))
        cells = number, *map(Cell.of, texts), Cell((*Cell.of(f"{example.change:+.4g}").pieces,), example.change)
        room -= 300 + sum(cell.size for cell in cells)
        if room < 0:
            break
        rows.append(ExampleRow(cells, {"change": f"better in {other if example.change > 0 else one}"}))
    headings = ("number", "text", "reference", one, other, "change")
    note = f"{other} predicts {better:,} examples better than {one}, and {worse:,} worse. {len(rows):,} are shown."
    return ExampleTable(f"Examples that changed from {one} to {other}", headings, tuple(rows), note)
