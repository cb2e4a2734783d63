"""Mistakes that would stop the first evaluation are found before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.training.run import prepare

Toy = Callable[..., Recipe]


def test_a_single_class_is_refused_before_training(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8)
    for path in Path(str(recipe.data.path)).iterdir():
        path.write_text(path.read_text().replace('"bad"', '"good"'))
    with pytest.raises(UserError, match="one class"):
        prepare(recipe)


def test_baselines_are_for_text_classification(toy: Toy) -> None:
    with pytest.raises(UserError, match="no baselines for this task"):
        prepare(toy("token_classification", "bert", train=32, held_out=8, **{"evaluation.baselines": True}))


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({"training.best_metric": "acuracy"}, "training.best_metric=accuracy"),
        ({"evaluation.metrics": ["acuracy"]}, "accuracy"),
        ({"task.max_length": 600}, "at most 512 tokens"),
        pytest.param(
            {"training.precision": "fp16"},
            "training.precision=bf16",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="GPUs compute in fp16"),
        ),
    ],
)
def test_mistakes_are_found_before_training(toy: Toy, overrides: dict[str, Any], expected: str) -> None:
    recipe = toy("text_classification", "bert", train=32, held_out=8, **overrides)
    with pytest.raises(UserError) as caught:
        prepare(recipe)
    assert expected in str(caught.value)
    assert not recipe.output_dir.exists()
