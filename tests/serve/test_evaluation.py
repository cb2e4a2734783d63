"""Scores of trained models on other data, for every task."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from finetune.compose import override
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.serve import evaluate_model
from finetune.training.evaluation import EvaluationResult
from tests.hub_server.fixtures import hub as hub
from tests.hub_server.hub import Hub
from tests.hub_server.library import add_dataset
from tests.serve.conftest import Finished, held_out, read_jsonl
from tests.training.conftest import toy as toy
from tests.training.processes import together

KINDS = {"text_classification": "bert", "token_classification": "bert", "text_to_text": "t5"}


def files_of(folder: Path) -> dict[str, float]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(("kind", "architecture"), KINDS.items())
def test_the_own_test_split_has_the_scores_of_the_run(finished: Finished, kind: str, architecture: str) -> None:
    run = finished(kind, architecture)
    before = files_of(run)
    results = json.loads((run / "results.json").read_text())
    found = evaluate_model(str(run))
    assert found.scores == pytest.approx(results["test"])
    assert {name: list(bounds) for name, bounds in found.intervals.items()} == {
        name: pytest.approx(bounds) for name, bounds in results["intervals"].items()
    }
    assert found.results["details"] == results["details"]
    assert found.split == "test"
    assert files_of(run) == before


@pytest.mark.parametrize(("kind", "architecture"), KINDS.items())
def test_a_file_is_scored_like_the_split_it_is(
    finished: Finished, tmp_path: Path, kind: str, architecture: str
) -> None:
    run = finished(kind, architecture)
    found = evaluate_model(str(run), str(held_out(run)), output=tmp_path / "out")
    results = json.loads((run / "results.json").read_text())
    assert found.scores == pytest.approx(results["test"])
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored["test"] == pytest.approx(results["test"])
    assert stored["data"] == "test.jsonl"
    own = read_jsonl(run / "predictions_test.jsonl")
    written = read_jsonl(tmp_path / "out" / "predictions_test.jsonl")
    assert [one["prediction"] for one in written] == [one["prediction"] for one in own]
    assert [one.keys() for one in written] == [one.keys() for one in own]


@pytest.mark.slow
def test_several_processes_give_the_same_scores_and_one_of_them_writes(finished: Finished, tmp_path: Path) -> None:
    run = finished("token_classification", "bert")
    alone = evaluate_model(str(run), str(held_out(run)), overrides={"evaluation.slices": ["length"]})

    def work() -> None:
        evaluate_model(
            str(run), str(held_out(run)), overrides={"evaluation.slices": ["length"]}, output=tmp_path / "out"
        ).print()

    assert together(work, tmp_path / "logs", 2) == [0, 0]
    stored = json.loads((tmp_path / "out" / "results.json").read_text())
    assert stored["test"] == pytest.approx(alone.scores)
    assert stored["examples"] == len(alone.records)
    assert stored["slices"] == alone.results["slices"]
    written = read_jsonl(tmp_path / "out" / "predictions_test.jsonl")
    assert [one["prediction"] for one in written] == [record.prediction for record in alone.records]
    first, second = ((tmp_path / "logs" / f"{rank}.log").read_text() for rank in range(2))
    assert "95% interval" in first
    assert "interval" not in second
    assert "masks:" not in second


def test_the_dev_split_and_the_folder_of_the_data(finished: Finished) -> None:
    run = finished("text_classification", "bert")
    data = held_out(run).parent
    assert len(evaluate_model(str(run), split="dev").records) == 8
    assert evaluate_model(str(run), str(data), "dev").scores == evaluate_model(str(run), split="dev").scores
    assert len(evaluate_model(str(run), str(data)).records) == 24
    assert evaluate_model(str(run), str(data)).data == "data (test)"


def test_a_folder_with_a_test_split_alone(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    write(tmp_path / "test.jsonl", read_jsonl(held_out(run)))
    assert evaluate_model(str(run), str(tmp_path)).scores == evaluate_model(str(run)).scores
    with pytest.raises(UserError, match="the folder holds no dev split") as caught:
        evaluate_model(str(run), str(tmp_path), "dev")
    assert "test.jsonl" in str(caught.value)


def test_other_columns_metrics_and_a_filter(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    rows = [{"body": row["text"], "kind": row["label"], "n": i} for i, row in enumerate(read_jsonl(held_out(run)))]
    given = {
        "data.columns.text": "body",
        "data.columns.label": "kind",
        "data.filter": "n < 10",
        "evaluation.metrics": ["accuracy"],
    }
    found = evaluate_model(str(run), str(write(tmp_path / "a.jsonl", rows)), overrides=given)
    assert len(found.records) == 10
    assert list(found.scores) == ["loss", "accuracy"]


def test_a_plain_model_folder_is_evaluated_without_a_recipe(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    model = tmp_path / "plain"
    model.mkdir()
    for path in (run / "model").iterdir():
        if path.name != "recipe.yaml":
            (model / path.name).write_bytes(path.read_bytes())
    found = evaluate_model(str(model), str(held_out(run)), overrides={"training.precision": "fp32"})
    assert found.scores == pytest.approx(evaluate_model(str(run)).scores)
    with pytest.raises(UserError, match="there is no recipe beside the model"):
        evaluate_model(str(model))


def test_masks_are_applied(finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished("text_classification", "bert", **{"attention.encoder": "window(1)"})
    results = json.loads((run / "results.json").read_text())
    found = evaluate_model(str(run), str(held_out(run)))
    assert found.scores == pytest.approx(results["test"])
    assert found.results["masks"] == {"encoder": "window(1)", "decoder": "causal()", "cross": "full()"}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"training.epochs": 3}, "training.epochs has no meaning for a trained model"),
        ({"attention.encoder": "full()"}, "attention.encoder has no meaning"),
        ({"data.labels": ["a", "b"]}, "data.labels was chosen when the model was trained"),
        ({"data.split_seed": 3}, "data.split_seed was chosen when the model was trained"),
        ({"evaluation.metrics": ["acuracy"]}, "acuracy"),
    ],
)
def test_keys_without_a_meaning(finished: Finished, overrides: dict[str, Any], message: str) -> None:
    run = finished("text_classification", "bert")
    with pytest.raises(UserError, match=message):
        evaluate_model(str(run), str(held_out(run)), overrides=overrides)


def test_an_output_that_is_there_is_not_overwritten(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished("text_classification", "bert")
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(UserError, match="is there already, and is not overwritten"):
        evaluate_model(str(run), output=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]


def test_the_result_says_what_it_is_of(finished: Finished, capsys: pytest.CaptureFixture[str]) -> None:
    run = finished("text_classification", "bert")
    found = evaluate_model(str(run), str(held_out(run)))
    assert isinstance(found.evaluated, EvaluationResult)
    found.print()
    shown = capsys.readouterr().out
    assert "results on 24 examples of test.jsonl" in shown
    assert "95% interval" in shown


def test_a_split_that_the_training_cut_is_cut_in_the_same_way(toy: Callable[..., Recipe]) -> None:
    recipe = toy("text_classification", "bert", train=60, held_out=8, **{"training.epochs": 1})
    recipe = override(recipe, {"data.path": f"{recipe.data.path}/train.jsonl", "data.test_share": 0.3})
    run_recipe(recipe)
    (run,) = (recipe.output_dir / recipe.name).iterdir()
    found = evaluate_model(str(run))
    assert len(found.records) == 18
    assert found.scores == pytest.approx(json.loads((run / "results.json").read_text())["test"])


def test_a_split_of_a_data_set_on_the_hub(finished: Finished, hub: Hub) -> None:
    run = finished("text_classification", "bert")
    rows = [{"review": row["text"], "stars": ["bad", "good"].index(row["label"])} for row in read_jsonl(held_out(run))]
    add_dataset(hub, "owner/reviews", {"train": Dataset.from_list(rows[:5]), "test": Dataset.from_list(rows)})
    given = {
        "data.name": "owner/reviews",
        "data.columns.text": "review",
        "data.columns.label": "stars",
        "data.splits.dev": None,
    }
    found = evaluate_model(str(run), overrides=given)
    assert found.scores == pytest.approx(evaluate_model(str(run)).scores)
    assert found.data == "owner/reviews (test)"
    assert len(evaluate_model(str(run), split="train", overrides=given).records) == 5
    with pytest.raises(UserError, match="the data have no dev split"):
        evaluate_model(str(run), split="dev", overrides=given)
