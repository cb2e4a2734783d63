"""Evaluation counts every example once, and gives the same digits on one, two and three processes."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from finetune import compose
from finetune.recipe import Recipe
from finetune.training.evaluation import evaluate
from finetune.training.run import Run, prepare
from tests.training.conftest import TASKS, write_rows
from tests.training.processes import together

Toy = Callable[..., Recipe]

EXAMPLES = 22
"""Neither 2 nor 3 processes share them evenly in batches of 4."""


def recipes(toy: Toy, folder: Path) -> list[Recipe]:
    """One a task and family, with data of its own."""
    found = []
    for kind, architecture in itertools.product(TASKS, ("bert", "t5")):
        data = write_rows(folder / kind, kind, {"train": 16, "dev": EXAMPLES, "test": EXAMPLES})
        keys = {"evaluation.batch_size": 4, "data.path": str(data), "output_dir": str(folder / "runs")}
        found.append(compose.override(toy(kind, architecture, train=1, held_out=1), keys))
    return found


def scored(recipe: Recipe) -> dict[str, object]:
    """Every score of dev, and the examples that were counted."""
    torch.set_num_threads(1)  # which a launcher gives to each of several processes, and which the last digits depend on
    run = prepare(recipe)
    evaluated = evaluate(run, run.model, "dev")
    assert evaluated.values["loss"] > 0
    return {"values": evaluated.values, "ids": [record.id for record in evaluated.records]}


def test_processes_agree_to_the_last_digit(toy: Toy, tmp_path: Path) -> None:
    runs = recipes(toy, tmp_path)
    expected = [scored(recipe) for recipe in runs]
    assert [one["ids"] for one in expected] == [list(range(EXAMPLES))] * len(runs)
    for processes in (2, 3):

        def body(processes: int = processes) -> int:
            found = [scored(recipe) for recipe in runs]
            main = found[0]["ids"] != []
            assert [one["values"] for one in found] == [one["values"] for one in expected]
            if main:
                (tmp_path / f"{processes}.json").write_text(json.dumps(found))
            return 0

        logs = tmp_path / f"logs{processes}"
        assert together(body, logs, processes) == [0] * processes, (logs / "0.log").read_text()
        assert json.loads((tmp_path / f"{processes}.json").read_text()) == json.loads(json.dumps(expected))


@pytest.mark.parametrize("wrong", ["lost", "twice"])
def test_a_miscount_is_refused(toy: Toy, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    run: Run = prepare(toy("text_classification", "bert", train=16, held_out=9))
    original = run.task.predict

    def predict(*arguments: object, **options: object) -> list[object]:
        found: list[object] = list(original(*arguments, **options))  # type: ignore[arg-type]
        return found[1:] if wrong == "lost" else [*found, found[0]]

    monkeypatch.setattr(run.task, "predict", predict)
    with pytest.raises(AssertionError, match="for 9 features"):
        evaluate(run, run.model, "dev")
