"""Run folders are read as far as they can be."""

from pathlib import Path

import pytest

from finetune.errors import UserError
from finetune.report.page.folders import MOST_RUNS, read_folders
from tests.report.page.folders_of_runs import PREDICTIONS, read_one, write_run


def test_a_finished_run_is_read(tmp_path: Path) -> None:
    run = read_one(write_run(tmp_path / "toy" / "time"))
    assert (run.letter, run.title, run.is_finished) == ("A", "toy/time", True)
    assert [record.id for record in run.records] == [0, 1, 2]
    assert len(run.entries) == 5
    assert run.part("baselines")["majority class"]["accuracy"] == 0.5
    assert run.part("recipe") == {}, "an entry of another form is none"


def test_a_run_that_goes_on_has_its_curves(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", results=None)
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('[]\n{"step": "x"}\n{"step": 5, "trai')
    run = read_one(folder)
    assert not run.is_finished
    assert run.results == {}
    assert len(run.entries) == 5
    assert "cannot be read" in run.problem


@pytest.mark.parametrize("absent", ["metrics.jsonl", "environment.json", "predictions_test.jsonl"])
def test_absent_files_leave_the_rest(absent: str, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / absent).unlink()
    run = read_one(folder)
    assert run.is_finished
    assert bool(run.problem) == (absent == "predictions_test.jsonl")


def test_examples_whose_numbers_have_no_order_are_told(tmp_path: Path) -> None:
    lines = [{**line, "id": number} for line, number in zip(PREDICTIONS["text_to_text"], (0, "b"), strict=True)]
    run = read_one(write_run(tmp_path / "run", "text_to_text", predictions=lines))
    assert run.records == ()
    assert "have no order" in run.problem


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the folder of a run") as told:
        read_folders([tmp_path])
    assert told.value.found == "no recipe.yaml in it"
    with pytest.raises(UserError, match="no such folder"):
        read_folders([tmp_path / "absent"])


def test_damaged_results_are_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "results.json").write_text("{")
    with pytest.raises(UserError, match=r"results\.json of the run cannot be read"):
        read_folders([folder])


def test_too_many_runs_and_one_twice_are_told(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    with pytest.raises(UserError, match="named twice"):
        read_folders([folder, tmp_path / "run" / ".." / "run"])
    with pytest.raises(UserError, match="one run or several"):
        read_folders([folder] * (MOST_RUNS + 1))
    with pytest.raises(UserError, match="one run or several"):
        read_folders([])
