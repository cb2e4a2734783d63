"""Runs are read from their folders, and what cannot be read is reported."""

import json
import shutil
from pathlib import Path

import pytest

from finetune.errors import UserError
from finetune.report.stored_runs import PREDICTIONS, read_run
from finetune.serve import evaluate_model
from tests.report.stored import Toy, copied, lines_of, trained


@pytest.mark.parametrize("kind", ["text_classification", "token_classification", "text_to_text"])
def test_the_scores_of_the_stored_predictions_are_those_of_the_run(kind: str, toy: Toy) -> None:
    folder = trained(toy, kind, **{"training.epochs": 1})
    run = read_run(folder)
    task = run.task
    task.recipe = task.recipe.model_copy(
        update={"evaluation": task.recipe.evaluation.model_copy(update={"metrics": run.metrics})}
    )
    stored = json.loads((folder / "results.json").read_text())["test"]
    scores = task.score(run.records, run.context).values
    assert scores
    assert scores == {name: pytest.approx(stored[name]) for name in scores}
    assert run.groups is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        ("", "are empty"),
        ("{}\n", "line 1"),
        ('{"id": 0, "input": "a", "reference": "b", "prediction": "b"}\n[\n', "line 2"),
        ("3\n", "line 1"),
        ('{"id": 0, "input": "a", "reference": null, "prediction": "b"}\n', "have no references"),
    ],
)
def test_predictions_that_cannot_be_read(content: str | None, message: str, toy: Toy) -> None:
    folder = trained(toy, "text_classification", **{"training.epochs": 1})
    (folder / PREDICTIONS).unlink()
    if content is not None:
        (folder / PREDICTIONS).write_text(content)
    with pytest.raises(UserError, match=message):
        read_run(folder)


def test_a_run_that_is_not_finished(toy: Toy) -> None:
    folder = trained(toy, "text_classification", **{"training.epochs": 1})
    (folder / "results.json").unlink()
    with pytest.raises(UserError, match="is not finished"):
        read_run(folder)


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no recipe.yaml in it"):
        read_run(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        read_run(tmp_path / "absent")


def test_groups_are_stored_with_the_predictions(toy: Toy) -> None:
    folder = trained(toy, "text_classification", **{"training.epochs": 1})
    assert "group" not in lines_of(folder)[0]
    grouped = read_run(copied(folder, "grouped", lambda line: line | {"group": f"d{line['id'] // 2}"}))
    assert grouped.groups == [f"d{number // 2}" for number in range(24)]


def test_an_evaluation_is_read_by_what_is_stored_in_it(toy: Toy, tmp_path: Path) -> None:
    folder = trained(toy, "text_classification", **{"training.epochs": 1, "evaluation.metrics": ["accuracy"]})
    found = evaluate_model(str(folder), split="dev", output=tmp_path / "evaluation")
    shutil.rmtree(folder)
    stored = read_run(tmp_path / "evaluation")
    assert stored.records == found.records
    assert stored.context.labels == ("bad", "good")
    assert stored.metrics == ("accuracy",)
    assert stored.task.score(stored.records, stored.context).values == {"accuracy": found.scores["accuracy"]}


def test_an_evaluation_without_its_predictions(toy: Toy, tmp_path: Path) -> None:
    folder = trained(toy, "text_classification", **{"training.epochs": 1})
    evaluate_model(str(folder), output=tmp_path / "evaluation")
    (tmp_path / "evaluation" / PREDICTIONS).unlink()
    with pytest.raises(UserError, match="no such file"):
        read_run(tmp_path / "evaluation")
