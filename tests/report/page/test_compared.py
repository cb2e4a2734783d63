"""Runs are compared where they share the test examples, and else it is told why not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune.report.comparison import compare_runs
from finetune.report.page.compared import ComparedRun, comparisons
from finetune.report.page.folders import read_folders
from tests.report.page.folders_of_runs import write_run
from tests.report.stored import Toy, copied, trained


def flipped(number: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def flip(line: dict[str, Any]) -> dict[str, Any]:
        return line | ({"prediction": line["reference"]} if line["id"] % number == 0 else {})

    return flip


def test_runs_are_compared_or_it_is_told_why_not(toy: Toy) -> None:
    first = trained(toy, "text_classification", **{"training.epochs": 1})
    second, third = copied(first, "b", flipped(1)), copied(first, "c", flipped(2))
    fourth = copied(first, "d", lambda line: line | {"input": "another"})
    found = comparisons(read_folders([first, second, third, fourth]))
    better, partly, refused = found
    assert isinstance(better, ComparedRun)
    assert isinstance(partly, ComparedRun)
    assert better.title == "B compared with A"
    assert better.scores.headings[:4] == ("score", "A", "B", "B - A")
    assert refused == (
        "A and D are not compared, as the runs were tested on different examples: another input in 24 of 24 examples, "
        "first in example 0."
    )
    expected = compare_runs([first, second, third])  # p-values are corrected for both
    for shown, comparison in zip((better, partly), expected, strict=True):
        assert [row[5] for row in shown.scores.rows] == [f"{one.corrected_p_value:.3g}" for one in comparison.scores]
        assert len(shown.changed.rows) == len(comparison.changed) > 0
        assert {row.choices["change"] for row in shown.changed.rows} == {f"better in {shown.title[0]}"}


def test_other_tasks_are_not_compared(toy: Toy, tmp_path: Path) -> None:
    first = trained(toy, "text_classification", **{"training.epochs": 1})
    (told,) = comparisons(read_folders([first, write_run(tmp_path / "open", results=None)]))
    assert isinstance(told, str)
    assert told == "A and B are not compared, as B is not finished."
