"""Callbacks: what they are told, that they can stop a run, and that their mistakes lose nothing."""

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import finetune
from finetune import training
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.training.callbacks import STOP, Callback, Request, TrainerState, check_callbacks
from finetune.training.loop import Loop
from tests.training.processes import together

Toy = Callable[..., Recipe]


def trained(recipe: Recipe, *callbacks: Callback) -> Loop:
    loop = training.fit(training.prepare(recipe, callbacks))
    loop.run.accelerator.end_training()
    return loop


def dev_evaluations(loop: Loop) -> list[int]:
    """Steps at which dev was scored."""
    entries = map(json.loads, loop.run.folder.metrics.read_text().splitlines())
    return [entry["step"] for entry in entries if "dev_loss" in entry]


class Diary(Callback):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int]] = []
        self.states: list[TrainerState] = []
        self.logs: list[Mapping[str, float]] = []
        self.saved: list[Path] = []

    def note(self, event: str, state: TrainerState) -> None:
        self.events.append((event, state.global_step))
        self.states.append(state)

    def on_train_begin(self, state: TrainerState) -> None:
        self.note("begin", state)

    def on_step_end(self, state: TrainerState) -> None:
        self.note("step", state)

    def on_log(self, logs: Mapping[str, float], state: TrainerState) -> None:
        self.logs.append(logs)

    def on_evaluate(self, scores: Mapping[str, float], state: TrainerState) -> None:
        assert scores == state.scores
        self.note("evaluate", state)

    def on_save(self, folder: Path, state: TrainerState) -> None:
        assert (folder / "config.json").is_file()
        self.saved.append(folder)

    def on_train_end(self, state: TrainerState) -> None:
        self.note("end", state)


SMALL: dict[str, Any] = {"train": 64, "held_out": 8, "training.batch_size": 16, "training.epochs": 2}


def test_everything_is_told_in_order(toy: Toy) -> None:
    diary = Diary()
    loop = trained(toy("text_classification", "bert", **SMALL, **{"training.log_every": 4}), diary)
    steps = [("step", step) for step in range(1, 9)]
    expected = [("begin", 0), *steps[:4], ("evaluate", 4), *steps[4:], ("evaluate", 8), ("end", 8)]
    assert diary.events == expected
    assert [set(logs) - {"dev_loss"} for logs in diary.logs[:1]] == [{"train_loss", "learning_rate"}]
    assert "dev_accuracy" in diary.logs[1]
    assert [folder.name for folder in diary.saved] == ["step-000004", "step-000008"]
    first, last = diary.states[1], diary.states[-1]
    assert (first.epoch, first.max_steps, first.num_train_epochs) == (0.25, 8, 2)
    assert first.best_metric is None
    assert last.epoch == 2
    assert last.best_metric == loop.state.best_value
    assert last.metric_for_best_model == "accuracy"
    assert last.output_dir == loop.run.folder.path
    assert first.learning_rate > 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.global_step = 3  # type: ignore[misc]


class StopAtStep(Callback):
    """Stops after a step, and leaves the model in evaluation mode meanwhile."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, state: TrainerState) -> Request | None:
        assert state.model.training, "what a callback has changed is put back"
        state.model.train(False)
        return STOP if state.global_step == self.step else None


class StopAtEvaluation(Callback):
    def on_evaluate(self, scores: Mapping[str, float], state: TrainerState) -> Request | None:
        return STOP


@pytest.mark.parametrize(
    ("callback", "step", "evaluations"),
    [(StopAtStep(2), 2, [2]), (StopAtStep(6), 6, [4, 6]), (StopAtEvaluation(), 4, [4])],
)
def test_a_stopped_run_ends_as_usual(
    callback: Callback, step: int, evaluations: list[int], toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = trained(toy("text_classification", "bert", **SMALL), callback)
    assert loop.state.step == step
    assert dev_evaluations(loop) == evaluations
    assert f"stopped by a callback after step {step} of 8" in capsys.readouterr().err
    tested = training.finish_run(loop)
    assert 0 <= tested.values["accuracy"] <= 1
    results = json.loads((loop.run.folder.path / "results.json").read_text())
    assert results["steps"]["stop_requested"] is True


class Failing(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, state: TrainerState) -> None:
        if state.global_step == self.step:
            raise ZeroDivisionError("mine")


def test_an_exception_reaches_the_user_and_the_run_can_go_on(toy: Toy) -> None:
    recipe = toy("text_classification", "bert", **SMALL)
    uninterrupted = trained(recipe)
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        trained(recipe, Failing(6))
    (note,) = caught.value.__notes__
    assert "step-000004, is kept" in note
    (folder,) = (path for path in recipe.output_dir.glob("toy/*") if path != uninterrupted.run.folder.path)
    assert f'finetune.train(overrides={{"resume": "{folder}"}}' in note
    resumed = trained(recipe.model_copy(update={"resume": str(folder)}))
    expected = uninterrupted.unwrapped.state_dict()
    assert all(weight.equal(expected[name]) for name, weight in resumed.unwrapped.state_dict().items())


def test_an_exception_before_the_first_checkpoint(toy: Toy) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        trained(toy("text_classification", "bert", **SMALL), Failing(1))
    assert "nothing was saved yet" in caught.value.__notes__[0]


def test_callbacks_are_named_in_the_environment(toy: Toy) -> None:
    loop = trained(toy("text_classification", "bert", **SMALL), StopAtStep(1))
    environment = json.loads((loop.run.folder.path / "environment.json").read_text())
    assert environment["callbacks"] == [f"{__name__}.StopAtStep"]


class Chatty(Callback):
    def on_step_end(self, state: TrainerState) -> Any:
        return True


class StopAtSave(Callback):
    def on_save(self, folder: Path, state: TrainerState) -> Any:
        return STOP


@pytest.mark.parametrize("callback", [Chatty(), StopAtSave()])
def test_an_unknown_answer_is_refused(callback: Callback, toy: Toy) -> None:
    with pytest.raises(UserError, match=f"{type(callback).__name__} returns something unknown") as caught:
        trained(toy("text_classification", "bert", **SMALL), callback)
    assert "finetune.STOP from on_step_end and on_evaluate" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "found", "fix"), [(Diary, "the class Diary", "callbacks=[Diary()]"), (print, "<built-in function", "")]
)
def test_what_is_no_callback_is_refused_before_anything_is_loaded(given: Any, found: str, fix: str, toy: Toy) -> None:
    recipe = toy("text_classification", "bert")
    with pytest.raises(UserError, match=r"not an instance of finetune\.Callback") as caught:
        training.prepare(recipe, [given])
    assert found in str(caught.value)
    assert fix in str(caught.value)
    assert not recipe.output_dir.exists()


class OfOneProcess(StopAtStep):
    """Says in which process it is called, and stops there."""

    def on_step_end(self, state: TrainerState) -> Request | None:
        print(f"called in process {os.environ['RANK']} at step {state.global_step}")
        return STOP if state.global_step == self.step else None


def test_two_processes_stop_together(toy: Toy, tmp_path: Path) -> None:
    recipe = toy("text_classification", "bert", **SMALL)

    def run() -> int:
        loop = trained(recipe, OfOneProcess(1))
        return loop.state.step

    assert together(run, tmp_path, 2) == [1, 1]
    assert "called in process 0 at step 1" in (tmp_path / "0.log").read_text()
    assert "called in process" not in (tmp_path / "1.log").read_text()


def test_two_processes_end_together_where_a_callback_fails(toy: Toy, tmp_path: Path) -> None:
    recipe = toy("text_classification", "bert", **SMALL)
    assert together(lambda: trained(recipe, Failing(1)) and 0, tmp_path, 2) == [1, 1]
    assert "ZeroDivisionError: mine" in (tmp_path / "0.log").read_text()
    assert "a callback has failed on the main process" in (tmp_path / "1.log").read_text()


def test_the_public_names() -> None:
    assert finetune.Callback is Callback
    assert finetune.STOP is STOP
    assert finetune.TrainerState is TrainerState


@pytest.mark.parametrize(
    ("given", "found", "fix"),
    [(StopAtStep(1), "StopAtStep", "callbacks=[...]"), (None, "NoneType: None", ""), ("stop", "str: 'stop'", "")],
    ids=["one", "none", "text"],
)
def test_callbacks_that_are_not_in_a_list(given: object, found: str, fix: str) -> None:
    with pytest.raises(UserError, match="the callbacks are not a list") as caught:
        check_callbacks(given)
    assert caught.value.found == found
    assert (caught.value.fix or "").endswith(fix)


def test_callbacks_may_come_from_any_iterable() -> None:
    callback = StopAtStep(1)
    assert check_callbacks(one for one in [callback]) == (callback,)
