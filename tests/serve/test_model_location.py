"""What a model is named by: a run, a folder, or a name on the Hub."""

import shutil
from pathlib import Path

import pytest

from finetune.errors import UserError, UserErrors
from finetune.serve.model_location import check_overrides, find_model
from tests.hub_server.fixtures import hub as hub
from tests.hub_server.hub import Hub
from tests.serve.conftest import Finished, Predict, held_out, read_jsonl


def test_a_run_its_model_and_its_checkpoints_know_the_recipe(finished: Finished) -> None:
    run = finished("text_classification", "bert")
    checkpoint = next((run / "checkpoints").glob("*/config.json")).parent
    whole, model, early = (find_model(str(folder)).recipe for folder in (run, run / "model", checkpoint))
    assert whole is not None
    assert whole == model == early


def test_folders_without_a_model(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no folder"):
        find_model(str(tmp_path / "none"))
    with pytest.raises(UserError, match="holds no model"):
        find_model(str(tmp_path))
    run = finished("text_classification", "bert")
    with pytest.raises(UserError, match="holds no model") as caught:
        find_model(str(run.parent))
    assert f"did you mean {run}?" in str(caught.value)
    unfinished = tmp_path / "unfinished"
    shutil.copytree(run, unfinished, ignore=shutil.ignore_patterns("model"))
    with pytest.raises(UserError, match="has not finished") as caught:
        find_model(str(unfinished))
    assert "checkpoints" in str(caught.value)


def test_a_published_run_answers_by_its_name(finished: Finished, predict: Predict, hub: Hub) -> None:
    run = finished("text_classification", "bert")
    files = {path.name: path.read_bytes() for path in (run / "model").iterdir()}
    hub.create("models", "ada/films").put(files | {"recipe.yaml": (run / "recipe.yaml").read_bytes()})
    expected = [record["prediction"] for record in read_jsonl(run / "predictions_test.jsonl")]
    assert [answer["prediction"] for answer in predict("ada/films", held_out(run))] == expected
    with pytest.raises(UserError, match="ada/nothing"):
        predict("ada/nothing", held_out(run))


def test_a_recipe_beside_a_model_that_grows_without_end_is_refused_at_once(
    finished: Finished, predict: Predict, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished("text_classification", "bert"), folder)
    levels = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, 12)]
    (folder / "recipe.yaml").write_text("\n".join(["a0: &a0 [x]", *levels]))
    with pytest.raises(UserError, match="its aliases"):
        predict(folder, [{"text": "a"}])


def test_keys_without_a_meaning_for_a_trained_model_are_refused_together() -> None:
    check_overrides({"data.columns.text": "review", "task.max_length": 8, "training.precision": "fp32"})
    with pytest.raises(UserErrors) as caught:
        check_overrides({"training.epochs": 1, "task.kind": "text_to_text", "task.max_length": 8})
    assert [error.problem for error in caught.value.errors] == [
        "training.epochs has no meaning for a trained model",
        "task.kind has no meaning for a trained model",
    ]
