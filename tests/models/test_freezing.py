from typing import Any

import pytest
from torch import nn
from transformers import BertConfig, BertForSequenceClassification

from finetune.errors import UserError
from finetune.models import freeze, trained_share


@pytest.fixture
def model() -> nn.Module:
    sizes: dict[str, Any] = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 40}
    return BertForSequenceClassification(BertConfig(num_hidden_layers=3, **sizes))


def frozen(model: nn.Module) -> set[str]:
    return {name for name, weight in model.named_parameters() if not weight.requires_grad}


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        ("bert.embeddings", "bert.embeddings."),
        ("*.layer.[0-1].*", "bert.encoder.layer."),
        ("classifier.bias", "class"),
    ],
)
def test_parameters_are_frozen_by_name_module_or_pattern(model: nn.Module, pattern: str, start: str) -> None:
    freeze(model, [pattern])
    assert frozen(model)
    assert all(name.startswith(start) and ".layer.2." not in name for name in frozen(model))


def test_nothing_is_frozen_without_patterns(model: nn.Module) -> None:
    freeze(model, [])
    assert frozen(model) == set()


def test_a_pattern_that_matches_nothing_is_answered_with_the_nearest_module(model: nn.Module) -> None:
    with pytest.raises(UserError, match=r"no weight of the model is named 'bert\.embedings'") as caught:
        freeze(model, ["bert.embedings"])
    assert caught.value.fix == "did you mean bert.embeddings?"
    with pytest.raises(UserError, match="no weight") as caught:
        freeze(model, ["xyz"])
    assert "* stands for any characters" in str(caught.value.fix)


def test_a_model_of_which_nothing_is_trained_is_refused(model: nn.Module) -> None:
    with pytest.raises(UserError, match="nothing is left to train"):
        freeze(model, ["*"])


def test_a_note_says_how_much_is_trained() -> None:
    model = nn.Sequential(nn.Linear(1000, 1000, bias=False), nn.Linear(1000, 3000, bias=False))
    freeze(model, ["1"])
    assert trained_share(model) == "1.00 M of 4.0 M weights are trained"
