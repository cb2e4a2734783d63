from typing import Any

import pytest
from pydantic import ValidationError

from finetune.recipe import Model, Scratch


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "exactly one of name, sample and scratch is needed, none is given"),
        ({"name": "x", "sample": "minilm"}, "given together: name, sample"),
        (
            {"scratch": {"architecture": "bert", "hidden_size": 100, "num_heads": 3}},
            "not a multiple of num_heads 3",
        ),
        ({"scratch": {"architecture": "bert", "hidden_size": 10**8}}, "a whole number from 1 to 65,536"),
        ({"scratch": {"architecture": "bert", "num_layers": 10**6}}, "a whole number from 1 to 1,000"),
        ({"scratch": {"architecture": "bert", "vocab_size": 99}}, "a whole number from 100 to 4,194,304"),
    ],
)
def test_models_that_cannot_be_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Model.model_validate(keys)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (Model(name="google-t5/t5-small"), "google-t5/t5-small"),
        (Model(sample="minilm"), "minilm"),
        (Model(scratch=Scratch(architecture="t5", size="tiny")), "t5-tiny from scratch"),
    ],
)
def test_a_model_is_described_in_a_few_words(model: Model, expected: str) -> None:
    assert model.description == expected
