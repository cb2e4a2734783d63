"""Frozen weights are named by patterns, and stay as they are."""

from collections.abc import Callable

import pytest
import torch
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from finetune import models
from finetune.errors import UserError
from finetune.recipe import Recipe


def bert(layers: int = 3) -> nn.Module:
    torch.manual_seed(0)
    config = BertConfig(
        hidden_size=16, num_attention_heads=2, intermediate_size=16, vocab_size=20, num_hidden_layers=layers
    )
    return BertForSequenceClassification(config)


def test_frozen_weights_are_named_by_module_or_pattern() -> None:
    model = bert()
    models.freeze(model, ["bert.embeddings", "*.layer.[01].*"])
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    expected = ("bert.embeddings.", "bert.encoder.layer.0.", "bert.encoder.layer.1.")
    assert frozen == {name for name, _ in model.named_parameters() if name.startswith(expected)}
    assert "weights are trained" in models.trained_share(model)


def test_a_pattern_that_fits_nothing_suggests_a_name() -> None:
    with pytest.raises(UserError, match=r"did you mean bert\.embeddings\?") as caught:
        models.freeze(bert(), ["bert.embedings"])
    assert caught.value.where == "training.freeze"


def test_something_must_be_left_to_train() -> None:
    with pytest.raises(UserError, match="nothing is left to train"):
        models.freeze(bert(), ["*"])


def test_frozen_weights_stay_and_the_others_move(toy: Callable[..., Recipe], capfd: pytest.CaptureFixture[str]) -> None:
    from finetune.training.loop import fit
    from finetune.training.run import prepare

    overrides = {"training.steps": 2, "training.freeze": ["bert.embeddings"], "training.layer_decay": 0.8}
    run = prepare(toy("text_classification", "bert", train=32, held_out=8, **overrides))
    before = {name: weight.detach().clone() for name, weight in run.model.named_parameters()}
    fit(run)
    for name, weight in run.model.named_parameters():
        assert torch.equal(before[name], weight.detach()) == name.startswith("bert.embeddings."), name
    assert "weights are trained" in capfd.readouterr().err
