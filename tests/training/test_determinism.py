"""One seed fixes a run, to the bit: its data's order, its dropout, its first weights."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from finetune import compose
from finetune.checkpointing import state
from finetune.recipe import Recipe
from finetune.run import run_recipe
from finetune.training.loop import Loop
from finetune.training.run import prepare
from tests.checkpointing.test_resume import assert_same_bits, elsewhere, only_run, small

Toy = Callable[..., Recipe]


@pytest.mark.parametrize("kind", ["text_classification", "text_to_text"])
def test_the_stored_recipe_repeats_the_run(toy: Toy, tmp_path: Path, kind: str) -> None:
    """The machine's choices included, and whatever drew random numbers before."""
    overrides = {"training.epochs": 1, "training.precision": "auto", "training.finished_checkpoints": "all"}
    recipe = toy(kind, "t5", train=32, held_out=8, **overrides)
    run_recipe(recipe)
    torch.rand(7)
    stored = compose.load_recipe(str(only_run(recipe) / "recipe.yaml"))
    assert stored.training.precision not in ("auto", None)
    assert stored.training.fp32_matmul != "auto"
    again = elsewhere(stored, "again")
    run_recipe(again)
    assert_same_bits(only_run(recipe), only_run(again))


def test_another_seed_is_another_run(toy: Toy) -> None:
    recipe = small(toy)
    weights, orders = [], []
    for seed in (1, 2):
        loop = Loop(prepare(compose.override(recipe, {"seed": seed})))
        weights.append(torch.cat([weight.detach().flatten() for weight in loop.model.parameters()]))
        orders.append([batch.tolist() for batch in loop.plan.epoch(0)])
        assert loop.plan.epoch(0)[0].tolist() != loop.plan.epoch(1)[0].tolist()
    assert not torch.equal(*weights)
    assert orders[0] != orders[1]


def test_dropout_follows_the_seed(toy: Toy) -> None:
    losses: list[list[float]] = []
    for seed in (1, 1, 2):
        recipe = small(toy, **{"training.epochs": 1, "model.scratch.dropout": 0.5, "training.learning_rate": 1e-12})
        run = prepare(compose.override(elsewhere(recipe, f"runs{len(losses)}"), {"seed": seed}))
        Loop(run).train()
        lines = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
        losses.append([line["train_loss"] for line in lines if "train_loss" in line])
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_random_states_are_put_back() -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    before = state.random_states()
    first = drawn()
    assert drawn() != first
    state.restore_random_states(before)
    assert drawn() == first
