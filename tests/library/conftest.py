"""Small recipes and data for the library, and one finished run of each task."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import finetune
from tests.training.conftest import TASKS

Finished = Callable[[str], "finetune.FinishedRun"]

SMALL: dict[str, Any] = {
    "training": {"epochs": 1, "batch_size": 16, "learning_rate": 2e-3, "precision": "fp32"},
    "model": {"scratch": {"architecture": "bert", "size": "tiny", "vocab_size": 200}},
}


def rows(kind: str = "text_classification", count: int = 60, seed: int = 0) -> list[dict[str, Any]]:
    """Rows of a small learnable data set."""
    return TASKS[kind][0](random.Random(seed), count)


def recipe(folder: Path, kind: str = "text_classification", **task: Any) -> dict[str, Any]:
    """A recipe of nested keys and values, without data."""
    lengths = {"max_source_length": 16, "max_target_length": 16, "num_beams": 2}
    lengths = lengths if kind == "text_to_text" else {"max_length": 32}
    return {**SMALL, "task": {"kind": kind, **lengths, **task}, "output_dir": str(folder / "runs")}


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A finished run of a task, trained on rows in memory: finished("text_classification")."""
    made: dict[str, finetune.FinishedRun] = {}

    def make(kind: str) -> "finetune.FinishedRun":
        if kind not in made:
            data = {"train": rows(kind, 48), "dev": rows(kind, 8, seed=1), "test": rows(kind, 12, seed=2)}
            made[kind] = finetune.train(recipe(tmp_path_factory.mktemp(kind), kind), data=data)
        return made[kind]

    return make
