"""Predictions as mappings and as cells."""

from finetune.serve.predictions import flatten


def test_nested_keys_are_joined_by_dots() -> None:
    answer = {"prediction": "good", "probabilities": {"bad": 0.1, "good": 0.9}, "entities": [{"text": "a"}]}
    assert flatten(answer) == {
        "prediction": "good",
        "probabilities.bad": 0.1,
        "probabilities.good": 0.9,
        "entities": [{"text": "a"}],
    }
