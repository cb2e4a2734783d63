"""A batch of 32 has one gradient, however it is split: accumulated, over processes, as a stream or in padded rows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from finetune import compose, training
from finetune.recipe import Recipe
from finetune.training.run import Run, prepare
from tests.training.gradients import Step, assert_same_steps, steps, varied
from tests.training.processes import together

Toy = Callable[..., Recipe]

CELLS = [
    (kind, architecture)
    for kind in ("text_classification", "token_classification", "text_to_text")
    for architecture in ("bert", "t5")
]
EXAMPLES = 44
"""A step of 32 and one of 12, which 8 do not divide."""
WHOLE = {"training.batch_size": 32, "model.scratch.dropout": 0.0, "training.precision": "fp32"}
ACCUMULATED = {"training.batch_size": 8, "training.gradient_accumulation": 4}


def written(toy: Toy, folder: Path, kind: str, architecture: str) -> Recipe:
    """A recipe whose data and runs lie in a folder of its own, with targets of unequal lengths."""
    recipe = toy(kind, architecture, train=EXAMPLES, held_out=4, output_dir=str(folder), **WHOLE)
    folder.mkdir(exist_ok=True)
    data = Path(str(recipe.data.path)).rename(folder / "data")
    if kind == "text_to_text":
        train = data / "train.jsonl"
        rows = [json.loads(line) for line in train.read_text().splitlines()]
        for row in rows[::3]:
            row |= {name: " ".join(row[name].split()[:2]) for name in ("source", "target")}
        train.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return compose.override(recipe, {"data.path": str(data)})


def assert_unequal_steps(run: Run, whole: list[Step]) -> None:
    """Where all batches had as many targets, a mean of means would be right too."""
    targets, order = run.encoded["train"].targets, np.random.default_rng((run.recipe.seed, 0)).permutation(EXAMPLES)
    assert len(whole) == 2
    if run.recipe.task.kind != "text_classification":
        assert len({int(targets[order[start : start + 8]].sum()) for start in range(0, 32, 8)}) > 1


@pytest.mark.parametrize(("kind", "architecture"), CELLS)
def test_accumulated_and_padded(toy: Toy, tmp_path: Path, kind: str, architecture: str) -> None:
    run = prepare(written(toy, tmp_path / "runs", kind, architecture))
    whole = steps(run)
    assert_unequal_steps(run, whole)
    assert_same_steps(steps(varied(run, ACCUMULATED)), whole)
    assert_same_steps(steps(varied(run, {}, ragged=False)), whole)
    assert_same_steps(steps(varied(run, ACCUMULATED, ragged=False)), whole)
    recomputed = steps(varied(run, {"training.gradient_checkpointing": True}))
    assert run.model.is_activation_checkpointing
    assert_same_steps(recomputed, whole)


def test_two_processes(toy: Toy, tmp_path: Path) -> None:
    """The second step has batches of 8 and 4 where processes take 8 each, and one of 12 where they take 16."""
    folders = {cell: tmp_path / "-".join(cell) for cell in CELLS}
    recipes = {cell: written(toy, folder, *cell) for cell, folder in folders.items()}
    for cell, folder in folders.items():
        torch.save(steps(prepare(recipes[cell])), folder / "whole")

    def body() -> int:
        for cell, folder in folders.items():
            run = prepare(recipes[cell])
            whole = torch.load(folder / "whole")
            assert_same_steps(steps(varied(run, {"training.batch_size": 16})), whole)
            if cell == CELLS[-1]:
                assert_same_steps(steps(varied(run, ACCUMULATED | {"training.gradient_accumulation": 2})), whole)
        return 0

    assert together(body, tmp_path / "logs", 2) == [0, 0], (tmp_path / "logs" / "0.log").read_text()


@pytest.mark.parametrize(("kind", "architecture"), CELLS)
def test_the_logged_loss_is_the_mean_over_the_step(toy: Toy, tmp_path: Path, kind: str, architecture: str) -> None:
    """The weights hardly move, so that the first ones tell the loss of every step."""
    keys: dict[str, Any] = {"training.epochs": 1, "training.log_every": 1, "training.learning_rate": 1e-12}
    run = prepare(compose.override(written(toy, tmp_path / "runs", kind, architecture), ACCUMULATED | keys))
    features = run.encoded["train"].features
    with torch.inference_mode():
        predictions = run.task.predict(run.model, run.task.collate(features[:], run.context), run.context, final=False)
    windows = np.split(np.random.default_rng((run.recipe.seed, 0)).permutation(len(features)), [32])
    losses = np.array([one.loss for one in predictions])
    targets = np.array([one.num_targets for one in predictions])
    training.fit(run)
    lines = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    logged = [line["train_loss"] for line in lines if "train_loss" in line]
    assert logged == pytest.approx([losses[one].sum() / targets[one].sum() for one in windows], rel=1e-5)
    (epoch,) = [line["epoch_train_loss"] for line in lines if "epoch_train_loss" in line]
    assert epoch == pytest.approx(losses.sum() / targets.sum(), rel=1e-5)
