"""Finished runs: scores, predictions, and answers to new inputs."""

import json
from pathlib import Path

import pandas
import pytest

import finetune
from finetune.errors import UserError
from finetune.library.in_memory import tables_of
from tests.library.conftest import Finished, rows


def test_scores_predictions_and_history(finished: Finished) -> None:
    run = finished("text_classification")
    assert run.scores == json.loads((run.folder / "results.json").read_text())["test"]
    assert {"accuracy", "loss"} <= run.scores.keys()
    low, high = run.intervals["accuracy"]
    assert low <= run.scores["accuracy"] <= high
    table = run.predictions
    assert list(table.columns[:4]) == ["id", "input", "reference", "prediction"]
    assert list(table["input"]) == [row["text"] for row in rows(count=12, seed=2)]
    assert (table["reference"] == table["prediction"]).mean() == pytest.approx(run.scores["accuracy"])
    assert run.log_history["dev_accuracy"].notna().sum() == 1
    assert run.recipe.name == "text_classification"
    assert run.masks.is_standard


@pytest.mark.parametrize("kind", ["text_classification", "token_classification", "text_to_text"])
def test_new_inputs_get_the_predictions_of_the_test_split(kind: str, finished: Finished) -> None:
    run = finished(kind)
    expected = list(run.predictions["prediction"])
    column = {"text_classification": "text", "token_classification": "tokens", "text_to_text": "source"}[kind]
    given = rows(kind, 12, seed=2)
    assert run.predict([row[column] for row in given]) == expected
    assert run.predict(given) == expected
    assert run.predict(pandas.DataFrame(given)) == expected
    details = run.predict_with_scores([row[column] for row in given])
    assert [one["prediction"] for one in details] == expected
    assert {"probabilities", "mean_log_probability"} & set(details[0])
    assert run.predict([]) == []


def test_model_and_tokenizer(finished: Finished) -> None:
    run = finished("text_classification")
    assert not run.model.training
    assert run.model is run.model
    logits = run.model(**run.tokenizer(["a great film"], return_tensors="pt")).logits
    assert run.predict(["a great film"]) == [("bad", "good")[int(logits.argmax())]]


def test_inputs_that_cannot_be_read_are_told(finished: Finished) -> None:
    with pytest.raises(UserError, match="2 inputs cannot be read") as caught:
        finished("text_classification").predict(["fine", " ", "good", ""])
    assert "input 1: no text in column 'text'; input 3" in str(caught.value)
    with pytest.raises(UserError, match="there is no column 'text'"):
        finished("text_classification").predict([{"txt": "fine"}])


def test_a_run_shows_itself(finished: Finished) -> None:
    run = finished("text_classification")
    assert repr(run).startswith(f"FinishedRun('text_classification', '{run.folder}', test: loss=")
    shown = run._repr_html_()
    assert "<td>accuracy</td>" in shown
    assert "text classification with" in shown


def test_runs_are_opened_again(finished: Finished) -> None:
    run = finished("text_classification")
    opened = finetune.open_run(str(run.folder))
    assert opened == run
    assert opened.scores == run.scores


def test_values_are_not_read_as_numbers_or_dates(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification")
    for name in ("recipe.yaml", "results.json"):
        (tmp_path / name).write_text((run.folder / name).read_text())
    row = {"id": 0, "input": "2026-01-01", "reference": "01", "prediction": "1e3"}
    (tmp_path / "predictions_test.jsonl").write_text(json.dumps(row) + "\n")
    assert finetune.open_run(tmp_path).predictions.to_dict("records") == [row]


def test_what_is_no_finished_run(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the folder of a run") as caught:
        finetune.open_run(tmp_path / "none")
    assert "no such folder" in str(caught.value)
    with pytest.raises(UserError, match=r"no recipe\.yaml in it"):
        finetune.open_run(tmp_path)
    (tmp_path / "recipe.yaml").write_text((finished("text_classification").folder / "recipe.yaml").read_text())
    with pytest.raises(UserError, match="is not finished") as caught:
        finetune.open_run(tmp_path)
    assert f'finetune.train(overrides={{"resume": "{tmp_path}"}})' in str(caught.value)


def test_the_data_of_the_run_are_beside_it(finished: Finished) -> None:
    run = finished("text_classification")
    folder = Path(str(run.recipe.data.path))
    assert folder.parent == run.folder.parent
    kept = pandas.read_parquet(folder / "test.parquet")
    assert kept.to_dict("records") == tables_of(rows(count=12, seed=2))["train"].to_pylist()
