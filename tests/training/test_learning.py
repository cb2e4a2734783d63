"""Six cells, three tasks by two families: each really learns, far beyond chance, from random weights."""

from collections.abc import Callable
from typing import Any

import pytest

from finetune.recipe import Recipe
from finetune.run import run_recipe

# T5 hardly learns from random weights with AdamW at usual rates.
T5_FROM_SCRATCH = {"training.optimizer": "adafactor", "training.learning_rate": 5e-2, "model.scratch.dropout": 0.0}


@pytest.mark.parametrize(
    ("kind", "architecture", "metric", "reaches", "overrides"),
    [
        ("text_classification", "bert", "accuracy", 0.95, {}),
        ("text_classification", "t5", "accuracy", 0.95, T5_FROM_SCRATCH),
        ("token_classification", "bert", "f1", 0.95, {"training.epochs": 10}),
        ("token_classification", "t5", "f1", 0.9, T5_FROM_SCRATCH | {"training.epochs": 20}),
        ("text_to_text", "bert", "bleu", 95, {"training.epochs": 6}),
        ("text_to_text", "t5", "bleu", 95, T5_FROM_SCRATCH | {"training.epochs": 20, "training.learning_rate": 3e-2}),
    ],
)
def test_it_learns(
    toy: Callable[..., Recipe], kind: str, architecture: str, metric: str, reaches: float, overrides: dict[str, Any]
) -> None:
    results = run_recipe(toy(kind, architecture, **overrides))
    assert results[metric] >= reaches
