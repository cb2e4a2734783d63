"""Models with a recipe or without: which task they predict, by which limits, and under which masks."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from transformers import BertModel

from finetune.errors import UserError
from finetune.serve.loading import find_recipe
from tests.serve.conftest import Finished, Predict, held_out, read_jsonl


def plain(run: Path, folder: Path, **config: Any) -> Path:
    """A copy of a run's model without its recipe, with other values in its configuration."""
    shutil.copytree(run / "model", folder, ignore=shutil.ignore_patterns("recipe.yaml"))
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    return folder


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


def test_the_task_of_a_trained_model_cannot_be_chosen(finished: Finished) -> None:
    run = str(finished("text_classification", "bert"))
    assert find_recipe(run, "text_classification")[1] == find_recipe(run)[1]
    with pytest.raises(UserError, match="the model is for text classification") as caught:
        find_recipe(run, "text_to_text")
    assert caught.value.where == "--task text_to_text"


def test_masks_that_differ_from_those_of_the_recipe_are_refused(finished: Finished, tmp_path: Path) -> None:
    run = finished("text_classification", "bert", **{"attention.encoder": "window(1) | global_tokens(cls)"})
    folder = shutil.copytree(run / "model", tmp_path / "moved")
    _, recipe = find_recipe(str(folder))
    assert str(recipe.attention.program.encoder.mask) == "window(1) | global_tokens(cls)"
    text = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(text.replace("window(1)", "window(2)"))
    with pytest.raises(UserError, match="other masks in its configuration than in the recipe beside it"):
        find_recipe(str(folder))
