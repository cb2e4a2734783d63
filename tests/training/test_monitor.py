"""Between steps, a run evaluates, saves and logs when each is due."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from finetune import training
from finetune.errors import UserError
from finetune.metrics import Scores
from finetune.recipe import Recipe
from finetune.training.evaluation import EvaluationResult
from finetune.training.loop import Loop
from finetune.training.run import prepare

Toy = Callable[..., Recipe]


def test_the_best_checkpoint_is_the_one_that_is_tested(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare(toy("text_classification", "bert", train=64, held_out=8, **{"training.epochs": 3}))
    values = iter([0.2, 0.9, 0.5])

    def fake(run: Any, model: Any, split: str, *, final: bool = False) -> Any:
        scores = Scores(values={"accuracy": next(values)})
        return EvaluationResult(scores, 1.0, ())

    monkeypatch.setattr("finetune.training.monitor.evaluate", fake)
    loop = training.fit(run)
    assert loop.state.best_step == 8
    assert sorted(path.name for path in run.folder.checkpoints.iterdir()) == ["step-000008", "step-000012"]
    assert loop.best_checkpoint.name == "step-000008"


def test_a_best_metric_that_no_score_gives_is_told(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    run = prepare(toy("text_classification", "bert", train=32, held_out=8))
    evaluated = EvaluationResult(Scores(values={"something": 0.5}), 1.0, ())
    monkeypatch.setattr("finetune.training.monitor.evaluate", lambda *_, **__: evaluated)
    with pytest.raises(UserError, match="no 'accuracy'") as caught:
        training.fit(run)
    assert "loss, something" in str(caught.value)


def test_evaluations_are_due_every_few_steps_and_at_the_end_of_an_epoch(toy: Toy) -> None:
    loop = Loop(prepare(toy("text_classification", "bert", train=8, held_out=4, **{"training.eval_every": 3})))
    due = []
    for step in range(1, 8):
        loop.state.step = loop.state.position = step
        if loop.monitor.evaluation_is_due(7):
            due.append(step)
    assert due == [3, 6, 7]
    loop.state.step = loop.state.position = 4
    loop.state.stop_requested = True
    assert loop.monitor.evaluation_is_due(7), "a callback has requested the end"


def test_the_logged_loss_is_the_mean_since_the_last_entry(toy: Toy) -> None:
    overrides = {"training.log_every": 2, "training.steps": 4, "training.batch_size": 8}
    run = prepare(toy("text_classification", "bert", train=32, held_out=4, **overrides))
    losses: list[float] = []
    original = Loop.step

    class Noting(Loop):
        def step(self, *arguments: Any, **options: Any) -> Any:
            flags = original(self, *arguments, **options)
            losses.append(float(flags.loss) / flags.targets)
            return flags

    Noting(run).train()
    entries = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    logged = [entry["train_loss"] for entry in entries if "train_loss" in entry]
    assert logged == pytest.approx([sum(losses[:2]) / 2, sum(losses[2:]) / 2])
    (epoch,) = [entry["epoch_train_loss"] for entry in entries if "epoch_train_loss" in entry]
    assert epoch == pytest.approx(sum(losses) / 4)
