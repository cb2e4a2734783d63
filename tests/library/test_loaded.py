"""`finetune.load` gives what predicts, as a run does; the three parts of it are as before."""

from pathlib import Path

import pytest
import torch

import finetune
from finetune.attention import Program
from finetune.errors import UserError
from finetune.hub import TrainedModel
from tests.library.conftest import Finished, rows


def test_three_parts_that_predict(finished: Finished) -> None:
    run = finished("text_classification")
    loaded = finetune.load(run.folder)
    model, tokenizer, masks = loaded
    assert isinstance(loaded, TrainedModel)
    assert (loaded.model, loaded.tokenizer, loaded.masks) == (model, tokenizer, masks)
    assert masks == Program() == run.masks
    assert model.dtype == torch.float32
    texts = [row["text"] for row in rows(count=12, seed=2)]
    assert loaded.predict(texts) == run.predict(texts)
    assert loaded.predict_with_scores(texts[:1])[0].keys() == {"prediction", "probabilities"}
    assert loaded.recipe.task == run.recipe.task


def test_a_models_folder_alone(finished: Finished) -> None:
    run = finished("token_classification")
    loaded = finetune.load(str(run.folder / "model"))
    assert loaded.predict([["red", "dog"]]) == run.predict(["red dog"])


def test_what_is_done_to_the_model_counts(finished: Finished) -> None:
    loaded = finetune.load(finished("text_classification").folder)
    with torch.no_grad():
        loaded.model.get_parameter("classifier.bias").copy_(torch.tensor([1000.0, 0.0]))
    assert loaded.predict(["a great film", "an awful film"]) == ["bad", "bad"]


def test_a_name_that_is_nothing_says_what_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="there is no folder nothing_here, and the model nothing_here") as caught:
        finetune.load("nothing_here")
    for part in (
        "the folder of a run",
        "the folder of a model",
        "a name on the Hub",
        f"no folder {tmp_path}/nothing_h",
    ):
        assert part in str(caught.value)
    assert "data.path" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("./nothing", "there is no folder ./nothing"),
        ("runs/sst2/nothing", "there is no folder runs/sst2/nothing"),
        ("empty", "the folder empty holds no model"),
        ("file.bin", "file.bin is a file"),
    ],
)
def test_places_that_hold_no_model(name: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.bin").touch()
    with pytest.raises(UserError, match=problem):
        finetune.load(name)


def test_the_newest_run_of_a_like_name_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for time in ("2026-01-01", "2026-02-01"):
        (tmp_path / "runs" / "reviews" / time / "model").mkdir(parents=True)
        (tmp_path / "runs" / "reviews" / time / "model" / "config.json").touch()
    for name in ("./review", "runs/reviews/2025"):
        with pytest.raises(UserError, match="did you mean runs/reviews/2026-02-01"):
            finetune.load(name)
    with pytest.raises(UserError, match="did you mean runs/reviews/2026-02-01"):
        finetune.load("runs")
