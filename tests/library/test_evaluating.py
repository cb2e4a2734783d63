"""Evaluation of trained models from Python, on data in any form."""

import json
from pathlib import Path
from typing import Any

import datasets
import pandas
import pytest

import finetune
from finetune.errors import UserError
from tests.library.conftest import Finished, rows


def forms(given: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    path = folder / "given.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return {
        "rows": given,
        "frame": pandas.DataFrame(given),
        "dataset": datasets.Dataset.from_list(given),
        "splits": {"test": given, "validation": given[:2]},
        "path": path,
        "str": str(path),
    }


@pytest.mark.parametrize("kind", ["text_classification", "token_classification", "text_to_text"])
def test_every_form_of_data_has_the_same_scores(finished: Finished, tmp_path: Path, kind: str) -> None:
    run = finished(kind)
    for form, data in forms(rows(kind, 12, seed=2), tmp_path).items():
        found = finetune.evaluate(run, data)
        assert found.scores == pytest.approx(run.scores), form
        assert found.intervals == {name: pytest.approx(bounds) for name, bounds in run.intervals.items()}, form


def test_a_folder_and_a_loaded_model_are_models(finished: Finished) -> None:
    run = finished("text_classification")
    model = finetune.load(str(run.folder / "model"))
    data = rows(count=12, seed=2)
    for one in (str(run.folder), run.folder, model):
        assert finetune.evaluate(one, data).scores == pytest.approx(run.scores)
    assert finetune.evaluate(run).scores == pytest.approx(run.scores)
    assert finetune.evaluate(run, data).data == "data in memory"


def test_a_split_of_several_tables(finished: Finished) -> None:
    run = finished("text_classification")
    data = {"train": rows(count=3), "test": rows(count=12, seed=2)}
    assert len(finetune.evaluate(run, data, split="train").records) == 3
    with pytest.raises(UserError, match="the data have no dev split"):
        finetune.evaluate(run, data, split="dev")
    with pytest.raises(UserError, match="one table is one split"):
        finetune.evaluate(run, rows(count=3), split="dev")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "empty|no rows|no column|there is no"),
        ([{"text": "a"}], "label"),
        ([{"text": "a", "label": "ugly"}], "not in the classes of the model"),
        (3, "the data cannot be read"),
        ({"tset": [{"text": "a", "label": "good"}]}, "'tset' is not the name of a split"),
    ],
)
def test_data_that_cannot_be_scored(finished: Finished, data: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        finetune.evaluate(finished("text_classification"), data)


@pytest.mark.parametrize("kind", ["text_classification", "token_classification", "text_to_text"])
def test_evaluations_on_the_same_data_are_compared(finished: Finished, tmp_path: Path, kind: str) -> None:
    run, data = finished(kind), rows(kind, 30, seed=5)
    first = finetune.evaluate(run, data, output=tmp_path / "first")
    finetune.evaluate(run, data, output=str(tmp_path / "second"))
    (comparison,) = finetune.compare([tmp_path / "first", tmp_path / "second"])
    assert comparison.changed == ()
    assert comparison.scores
    for one in comparison.scores:
        assert one.difference.first == one.difference.second == pytest.approx(first.scores[one.name])
        assert not one.is_real


def test_an_evaluation_is_compared_with_the_run_itself_and_refused_beside_other_data(
    finished: Finished, tmp_path: Path
) -> None:
    run = finished("text_classification")
    finetune.evaluate(run, output=tmp_path / "own")
    finetune.evaluate(run, rows(count=12, seed=9), output=tmp_path / "other")
    (comparison,) = finetune.compare([run, tmp_path / "own"])
    assert comparison.changed == ()
    with pytest.raises(UserError, match="were tested on different examples"):
        finetune.compare([tmp_path / "own", tmp_path / "other"])
