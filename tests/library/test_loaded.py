"""`finetune.load` gives what predicts, as a run does; the three parts of it are as before."""

import torch

import finetune
from finetune.attention import Program
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
