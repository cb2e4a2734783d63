"""The loop's promises on one process: exact means, whole epochs, best checkpoint, early end."""

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from finetune import training
from finetune.data.batches import BatchPlan, Indices
from finetune.metrics import Scores
from finetune.recipe import Recipe
from finetune.training.evaluation import EvaluationResult
from finetune.training.run import prepare

Toy = Callable[..., Recipe]


def read_lines(path: Path) -> list[Mapping[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def only_run(recipe: Recipe) -> Path:
    (folder,) = (recipe.output_dir / recipe.name).iterdir()
    return folder


def test_steps_instead_of_epochs(toy: Toy) -> None:
    run = prepare(toy("text_classification", "bert", train=64, held_out=8, **{"training.steps": 7}))
    loop = training.fit(run)
    assert loop.state.step == 7
    assert loop.schedule.get_last_lr()[0] == pytest.approx(0.0, abs=1e-9)


def test_patience_ends_the_run(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = {"training.epochs": 9, "training.patience": 2}
    run = prepare(toy("text_classification", "bert", train=64, held_out=8, **overrides))

    def fake(run: Any, model: Any, split: str, *, final: bool = False) -> Any:
        return EvaluationResult(Scores(values={"accuracy": 0.5}), 1.0, ())

    monkeypatch.setattr("finetune.training.monitor.evaluate", fake)
    assert training.fit(run).state.epoch == 2


def test_two_runs_give_the_same_bits(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", train=64, held_out=16, **{"training.epochs": 1})
    first, second = (training.fit(prepare(recipe)).unwrapped.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("overrides", [{}, {"training.patience": 1, "training.eval_every": 1}])
def test_no_thread_stays_behind(toy: Toy, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, Any]) -> None:
    """Neither where the run stops early nor where it fails."""
    run = prepare(toy("text_classification", "bert", train=200, held_out=8, **overrides))
    if overrides:
        evaluated = EvaluationResult(Scores(values={"accuracy": 0.5}), 1.0, ())
        monkeypatch.setattr("finetune.training.monitor.evaluate", lambda *_, **__: evaluated)
        assert training.fit(run).state.step == 2
    else:
        monkeypatch.setattr(run.task, "loss", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            training.fit(run)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("prefetch")]


@pytest.mark.parametrize("overrides", [{}, {"training.tokens_per_batch": 50}, {"training.tokens_per_batch": 4}])
def test_a_run_has_as_many_steps_as_it_says(toy: Toy, monkeypatch: pytest.MonkeyPatch, overrides: Any) -> None:
    plans: list[int] = []
    original = BatchPlan.epoch

    def counted(plan: BatchPlan, epoch: int) -> list[Indices]:
        plans.append(epoch)
        return original(plan, epoch)

    monkeypatch.setattr(BatchPlan, "epoch", counted)
    settings = {"training.epochs": 2, "training.gradient_accumulation": 3}
    run = prepare(toy("text_classification", "bert", train=50, held_out=8, **settings, **overrides))
    evaluated = EvaluationResult(Scores(values={"accuracy": 0.5}), 1.0, ())
    monkeypatch.setattr("finetune.training.monitor.evaluate", lambda *_, **__: evaluated)
    loop = training.fit(run)
    assert loop.state.step == loop.state.total_steps
    assert plans == [0, 1]  # each made once
