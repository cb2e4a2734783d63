"""Steps on trial: computed as in a run, and errors where they cannot be."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from finetune.checking import trial
from finetune.compose import override
from finetune.hardware import embeddings
from finetune.hardware.embeddings import SparseEmbeddingGradients
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
