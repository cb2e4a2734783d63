"""What batches of encoded splits are computed with."""

from collections.abc import Callable
from contextlib import closing

import numpy as np

from finetune.recipe import Recipe
from finetune.training.evaluation_setup import EncodedSplit, EvaluationSetup
from finetune.training.run import prepare

Toy = Callable[..., Recipe]


def test_batches_hold_the_features_that_are_asked_for(toy: Toy) -> None:
    run = prepare(toy("text_classification", "bert", train=16, held_out=8))
    assert isinstance(run, EvaluationSetup)
    split = run.encoded["dev"]
    assert isinstance(split, EncodedSplit)
    assert split.lengths.tolist() == split.features.columns["length"].values.tolist()
    assert split.targets.tolist() == [1] * 8
    indices = [np.array([3, 0]), np.array([7])]
    with closing(run.batches("dev", indices)) as batches:
        assert [sorted(batch.examples) for batch in batches] == [[0, 3], [7]]


def test_the_best_metric_is_that_of_the_recipe_or_of_the_task(toy: Toy) -> None:
    run = prepare(toy("text_classification", "bert", train=16, held_out=8))
    assert run.best_metric == "accuracy"
    named = prepare(toy("text_classification", "bert", train=16, held_out=8, **{"training.best_metric": "f1"}))
    assert named.best_metric == "f1"
