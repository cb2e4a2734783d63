"""What a model is named by: a run, a folder, a name on the Hub, with a recipe or without."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import BertModel

from finetune.errors import UserError
from finetune.serve.loading import find_recipe
from finetune.serve.model_location import find_model
from tests.hub_server.fixtures import hub as hub
from tests.hub_server.hub import Hub
from tests.serve.conftest import Finished, Predict, held_out, read_jsonl


def plain(run: Path, folder: Path, **config: Any) -> Path:
    """A copy of a run's model without its recipe, with other values in its configuration."""
    shutil.copytree(run / "model", folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    return folder


def test_a_run_its_model_and_its_checkpoints_know_the_recipe(finished: Finished) -> None:
    run = finished("text_classification", "bert")
    checkpoint = next((run / "checkpoints").glob("*/config.json")).parent
    whole, model, early = (find_model(str(folder)).recipe for folder in (run, run / "model", checkpoint))
    assert whole is not None
    assert whole == model == early


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [("text_classification", "t5"), ("token_classification", "bert"), ("text_to_text", "bert")],
)
def test_without_a_recipe_the_models_class_tells_the_task(
    finished: Finished, predict: Predict, tmp_path: Path, kind: str, architecture: str
) -> None:
    run = finished(kind, architecture)
    folder = plain(run, tmp_path / "plain")
    beams = {"task.num_beams": 2, "task.max_target_length": 16} if kind == "text_to_text" else {}
    exact = {"training.precision": "fp32", **beams}
    answers = predict(folder, held_out(run), overrides=exact)
    expected = [record["prediction"] for record in read_jsonl(run / "predictions_test.jsonl")]
    assert [answer["prediction"] for answer in answers] == expected


def test_the_masks_of_a_model_are_kept(finished: Finished, tmp_path: Path, predict: Predict) -> None:
    run = finished("text_classification", "bert", **{"attention.encoder": "window(1) | global_tokens(cls)"})
    folder = plain(run, tmp_path / "plain")
    _, recipe = find_recipe(str(folder))
    assert str(recipe.attention.program.encoder.mask) == "window(1) | global_tokens(cls)"
    answers = predict(folder, held_out(run), overrides={"training.precision": "fp32"}, scores=True)
    for answer, record in zip(answers, read_jsonl(run / "predictions_test.jsonl"), strict=True):
        assert answer["probabilities"] == pytest.approx(record["probabilities"], abs=1e-5)


def test_limits_come_from_the_model(finished: Finished, tmp_path: Path) -> None:
    folder = plain(finished("token_classification", "bert"), tmp_path / "plain")
    positions = json.loads((folder / "config.json").read_text())["max_position_embeddings"]
    _, recipe = find_recipe(str(folder))
    assert recipe.task.model_dump()["max_length"] == positions


def test_a_model_that_does_not_say_its_task(finished: Finished, predict: Predict, tmp_path: Path) -> None:
    run = finished("text_classification", "bert")
    folder = plain(run, tmp_path / "plain", architectures=None)
    with pytest.raises(UserError, match="not known what") as caught:
        find_recipe(str(folder))
    assert "--task" in str(caught.value)
    exact = {"training.precision": "fp32"}
    answers = predict(folder, held_out(run), kind="text_classification", overrides=exact)
    expected = [record["prediction"] for record in read_jsonl(run / "predictions_test.jsonl")]
    assert [answer["prediction"] for answer in answers] == expected


def test_a_head_that_was_never_trained_is_refused(finished: Finished, predict: Predict, tmp_path: Path) -> None:
    folder = plain(finished("text_classification", "bert"), tmp_path / "plain")
    (folder / "model.safetensors").unlink()
    BertModel.from_pretrained(finished("text_classification", "bert") / "model").save_pretrained(folder)
    with pytest.raises(UserError, match="no trained head for text_classification"):
        predict(folder, [{"text": "a"}], kind="text_classification")


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
