"""Two processes do what one does, with every task and method: the same losses, and every example scored once."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from finetune import compose, models, training
from finetune.recipe import Recipe
from finetune.training.run import prepare
from tests.training.conftest import write_rows
from tests.training.processes import together
from tests.training.test_problem_types import number, several, skewed

Toy = Callable[..., Recipe]

SIZES = {"train": 28, "dev": 9, "test": 13}
"""The first of two steps has 16 examples and the last 12; two processes share no split evenly."""
SHARED: Mapping[str, Any] = {
    "model.scratch.dropout": 0.0,
    "training.epochs": 1,
    "training.learning_rate": 1e-3,
    "training.warmup": 0,
    "training.schedule": "constant",
    "training.log_every": 1,
    "evaluation.batch_size": 4,
}
"""Batches of evaluation are small, so that both processes score some."""


@dataclass(frozen=True)
class Case:
    """What is trained, and how; `row` draws an example where the data are not the task's usual ones."""

    kind: str
    architecture: str = "bert"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    row: Callable[[random.Random], dict[str, Any]] | None = None


TEXTS, WORDS, TRANSLATION = "text_classification", "token_classification", "text_to_text"
BALANCED = {"training.class_weights": "balanced"}
SMOOTHED = {"training.label_smoothing": 0.1}
AVERAGED = {"training.ema": 0.9, "training.layer_decay": 0.8}
SCHEDULE_FREE = {"training.optimizer": "schedule_free"}
ADAFACTOR = {"training.optimizer": "adafactor"}
CASES = {
    "texts": Case(TEXTS),
    "texts, several labels": Case(TEXTS, overrides=BALANCED | SMOOTHED | AVERAGED, row=several),
    "texts, numbers": Case(TEXTS, overrides=SCHEDULE_FREE | {"training.freeze": ["bert.embeddings"]}, row=number),
    "texts, weighted": Case(TEXTS, "t5", BALANCED | SMOOTHED | AVERAGED, row=skewed),
    "texts, prefix": Case(TEXTS, overrides={"adapter.kind": "prefix_tuning"} | BALANCED, row=skewed),
    "words": Case(WORDS),
    "words, weighted": Case(WORDS, overrides=BALANCED | SMOOTHED | AVERAGED),
    "words, ia3": Case(WORDS, overrides={"adapter.kind": "ia3", "training.ema": 0.9} | BALANCED),
    "translation": Case(TRANSLATION),
    "translation, averaged": Case(TRANSLATION, "t5", SMOOTHED | AVERAGED | ADAFACTOR),
    "translation, lora": Case(TRANSLATION, "t5", {"adapter.kind": "lora", "adapter.merge": True} | SMOOTHED),
}


def written(toy: Toy, folder: Path, case: Case) -> Recipe:
    """The case's recipe, over data and a starting point of its own."""
    data = write_rows(folder / "data", case.kind, SIZES)
    if case.row is not None:
        generator = random.Random(0)
        for split, size in SIZES.items():
            rows = [case.row(generator) for _ in range(size)]
            (data / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = toy(case.kind, case.architecture, train=1, held_out=1, **SHARED)
    recipe = compose.override(recipe, {"data.path": str(data), "output_dir": str(folder / "base_runs")})
    if "adapter.kind" in case.overrides:
        run = prepare(recipe)
        models.save_weights(run.model, folder / "base")
        run.context.tokenizer.save_pretrained(folder / "base")
        recipe = compose.override(recipe, {"model.scratch": None, "model.name": str(folder / "base")})
    return compose.override(recipe, case.overrides)


def measured(recipe: Recipe, folder: Path, batch_size: int) -> None:
    """Train, evaluate on test, and leave the run in `folder`."""
    split = {"output_dir": str(folder), "training.batch_size": batch_size}
    training.finish_run(training.fit(prepare(compose.override(recipe, split))))


def left_in(folder: Path) -> list[dict[str, float]]:
    """Every loss and score of a run, whose predictions must be there once each."""
    (run,) = folder.glob("toy/*")
    predictions = [json.loads(line)["id"] for line in (run / "predictions_test.jsonl").read_text().splitlines()]
    assert predictions == list(range(SIZES["test"]))
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def recipes(toy: Toy, tmp_path: Path) -> dict[str, Recipe]:
    pytest.importorskip("peft")
    pytest.importorskip("schedulefree")
    return {name: written(toy, tmp_path / name, case) for name, case in CASES.items()}


def test_two_processes_give_the_losses_and_scores_of_one(recipes: dict[str, Recipe], tmp_path: Path) -> None:
    """All cases in one pair of processes, which start slower than they train."""
    for name, recipe in recipes.items():
        measured(recipe, tmp_path / name / "one", 16)

    def body() -> int:
        for name, recipe in recipes.items():
            measured(recipe, tmp_path / name / "two", 8)
        return 0

    logs = tmp_path / "logs"
    assert together(body, logs, 2) == [0, 0], (logs / "0.log").read_text() + (logs / "1.log").read_text()
    wrong = []
    for name in recipes:
        one, two = (left_in(tmp_path / name / processes) for processes in ("one", "two"))
        assert len([line for line in one if "train_loss" in line]) == 2
        if two != [pytest.approx(line, rel=1e-4) for line in one]:
            wrong.append((name, one, two))
    assert not wrong
