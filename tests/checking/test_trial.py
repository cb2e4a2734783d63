"""Steps on trial: computed as in a run, and errors where they cannot be."""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from finetune.checking import trial
from finetune.checking.tables import _trial
from finetune.compose import compose, override
from finetune.hardware import embeddings
from finetune.hardware.embeddings import SparseEmbeddingGradients
from finetune.hardware.memory import out_of_memory
from finetune.recipe import Recipe
from finetune.training.loop import Loop
from finetune.training.run import prepare
from tests.checking.files import check_file, clean, problems, write


def test_steps_on_trial_are_those_of_a_run(
    toy: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With gradients of embeddings that are gathered as in a run, which change nothing but the time."""
    monkeypatch.setattr(embeddings, "_LEAST", 1)
    losses = []
    keys: dict[str, object] = {"training.learning_rate": 1e-2, "training.warmup": 0.0}
    for gathers in (True, False):
        keys["output_dir"] = str(tmp_path / str(gathers))
        run = prepare(override(toy("text_classification", "bert", train=40), keys))
        loop = Loop(run)
        assert loop.gradients.embeddings._modules
        if not gathers:
            loop.gradients.embeddings = SparseEmbeddingGradients(run.model, enabled=False)
        torch.manual_seed(0)
        with loop.computing():
            losses.append(list(trial._train(loop, loop.plan.epoch(0) * 2)))
    assert len(losses[0]) > 4
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0][0] != pytest.approx(losses[0][-1], rel=1e-3)


class Clock:
    """A clock that goes on only where a step is taken."""

    def __init__(self, step_seconds: Sequence[float]) -> None:
        self.now = 0.0
        self.step_seconds = step_seconds

    def train(self, loop: object, batches: Sequence[object]) -> Iterator[float]:
        for _, seconds in zip(batches, self.step_seconds, strict=False):
            self.now += seconds
            yield 0.5


@pytest.fixture
def loop(toy: Callable[..., Recipe]) -> Loop:
    run = prepare(toy("text_classification", "bert", train=64, held_out=8))
    run.lock.release()
    loop = Loop(run)
    loop.plan.lengths[:] = 10  # tokens of each of 16 examples of a batch
    return loop


@pytest.mark.parametrize(
    ("step_seconds", "expected"),
    [
        ([9.0, *[1.7] * 30], [1.7] * 5),  # 8 seconds after the warm-up are over
        ([0.1, *[0.1] * 30], [0.1] * 20),  # no more than 20
        ([5.0, 1.0, 20.0, 1.0, 1.0, 1.0], [1.0, 20.0, 1.0]),  # at least three
        ([40.0, 40.0, 40.0, 40.0], [40.0]),  # steps that take very long
    ],
)
def test_several_steps_are_measured_after_a_warm_up(
    loop: Loop, monkeypatch: pytest.MonkeyPatch, step_seconds: list[float], expected: list[float]
) -> None:
    clock = Clock(step_seconds)
    monkeypatch.setattr(trial, "_train", clock.train)
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    assert trial._seconds_a_token(loop) * 160 == pytest.approx(expected)


def test_one_slow_step_does_not_change_the_estimate() -> None:
    median, lower, upper = trial.quartiles(np.array([1.0, 1.1, 30.0, 0.9, 1.0]))
    assert (median, lower, upper) == (1.0, 1.0, 1.1)


def test_the_report_says_the_spread(tmp_path: Path) -> None:
    report = check_file(write(tmp_path / "my.csv", clean()))
    assert report.trial is not None
    lower, upper = report.trial.epoch_quartiles
    assert lower <= report.trial.epoch_seconds <= upper
    assert report.trial.measured[0] >= 3
    console = Console(width=200)
    with console.capture() as captured:
        console.print(_trial(report.trial))
    assert re.search(r"\(median of \d+ steps after a warm-up\).* s, half of the steps .* to ", captured.get())


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["training.batch_size=32"], "training.batch_size=16 (it is 32) with training.gradient_accumulation=2"),
        (["training.tokens_per_batch=2000"], "training.tokens_per_batch=1000 (it is 2000)"),
        (["training.batch_size=1"], "fix:      training.gradient_checkpointing=true, shorter inputs, or"),
    ],
)
def test_advice_names_the_key_that_says_how_large_a_batch_is(words: list[str], advice: str) -> None:
    training = compose(["recipe=sst2", *words]).training
    assert advice in str(out_of_memory("for the largest batch", training))
    assert "batch" not in str(out_of_memory("for a single example"))


def test_memory_that_does_not_suffice_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(trial, "_train", fail)
    report = check_file(write(tmp_path / "my.csv", clean()))
    assert "memory does not suffice for the largest batch, of 32 examples" in problems(report.errors)


def test_a_loss_that_is_not_finite_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_train", lambda *_: [float("nan")])
    report = check_file(write(tmp_path / "my.csv", clean()))
    assert "not finite" in problems(report.errors)
