"""Comparison of runs from Python."""

from pathlib import Path

import pytest

import finetune
from finetune.errors import UserError
from tests.library.conftest import Finished
from tests.report.stored import copied


def test_runs_and_folders_are_compared(finished: Finished) -> None:
    run = finished("text_classification")
    turned = {"good": "bad", "bad": "good"}
    other = copied(run.folder, "turned", lambda line: line | {"prediction": turned[line["prediction"]]})
    (found,) = finetune.compare([run, other])
    accuracy = next(one for one in found.scores if one.name == "accuracy")
    assert accuracy.difference.first == pytest.approx(run.scores["accuracy"])
    assert accuracy.difference.second == pytest.approx(1 - run.scores["accuracy"])
    assert finetune.compare([str(run.folder), str(other)])[0].scores == found.scores


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the folder of a run"):
        finetune.compare([tmp_path, tmp_path])


def test_one_run_in_place_of_a_list(finished: Finished) -> None:
    run = finished("text_classification")
    for given in (run, run.folder, str(run.folder)):
        with pytest.raises(UserError, match="compare takes a list of runs"):
            finetune.compare(given)  # type: ignore[arg-type]
