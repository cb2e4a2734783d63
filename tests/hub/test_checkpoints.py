"""Checkpoints reach the Hub while training goes on, and never hold it up for long or end it."""

import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from finetune.checkpointing.state import TrainingState
from finetune.hub import check_access
from finetune.hub.account import Repository
from finetune.hub.checkpoints import ASIDE, CheckpointUploader
from tests.hub_server.fixtures import READ_TOKEN, TOKEN
from tests.hub_server.hub import Hub

OURS = Repository("ada/films")


@pytest.fixture
def ours(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    check_access(OURS)
    return hub


def checkpoint(run: Path, step: int) -> Path:
    folder = run / "checkpoints" / f"step-{step}"
    shutil.copytree(run / "model", folder)
    (folder / "state").mkdir()
    (folder / "state" / "optimizer.bin").write_bytes(b"large")
    (folder / "notes.md").write_text(f"step {step}")
    return folder


def state(step: int) -> TrainingState:
    return TrainingState(total_steps=9, step=step, dev={"accuracy": 0.5})


def titles(hub: Hub) -> list[str]:
    return [commit.title.split(":")[0] for commit in hub.model("ada/films").history[1:]]


@pytest.mark.parametrize("links", [True, False])
def test_training_does_not_wait_for_a_slow_hub(
    ours: Hub, run: Path, links: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", refuse)
    answers = threading.Event()
    ours.trouble("/commit/", answers)
    checkpoints = CheckpointUploader(OURS, run)
    for step in (1, 2):
        made = checkpoint(run, step)
        checkpoints(made, state(step))
        shutil.rmtree(made)
        while not any("/commit/" in request for request in ours.requests):
            pass
    assert titles(ours) == []
    answers.set()
    checkpoints.finish()
    assert titles(ours) == ["Step 1 in training", "Step 2 in training"]
    files = ours.model("ada/films").head.files
    assert files["notes.md"].content == b"step 2"
    assert files["model.safetensors"].content == (run / "model" / "model.safetensors").read_bytes()
    assert not any(name.startswith("state") for name in files)
    assert list(run.glob(f"{ASIDE}*")) == []
    assert "not pushed" not in "".join(capfd.readouterr())


def refuse(*_: Any) -> None:
    raise OSError("no links here")


def test_the_newest_takes_the_place_of_one_that_waits(ours: Hub, run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    answers = threading.Event()
    ours.trouble("/commit/", answers)
    checkpoints = CheckpointUploader(OURS, run)
    checkpoints(checkpoint(run, 1), state(1))
    while not any("/commit/" in request for request in ours.requests):
        pass
    for step in (2, 3, 4):
        checkpoints(checkpoint(run, step), state(step))
    assert len(list(run.glob(f"{ASIDE}*"))) == 2
    answers.set()
    checkpoints.finish()
    assert titles(ours) == ["Step 1 in training", "Step 4 in training"]
    told = "".join(capfd.readouterr())
    assert told.count("the Hub is slower than training") == 1
    assert list(run.glob(f"{ASIDE}*")) == []


def test_a_problem_is_told_once_and_ends_nothing(
    ours: Hub, run: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    checkpoints = CheckpointUploader(OURS, run)
    monkeypatch.setenv("HF_TOKEN", READ_TOKEN)
    for step in (1, 2):
        checkpoints(checkpoint(run, step), state(step))
        checkpoints._queue.join()
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    checkpoints(checkpoint(run, 3), state(3))
    checkpoints(run / "none", state(4))
    checkpoints.finish()
    assert titles(ours) == ["Step 3 in training"]
    told = "".join(capfd.readouterr())
    assert told.count("is not pushed (training continues)") == 2
    assert "the checkpoint of step 1 is not pushed" in told
    assert "cannot be written with this token" in told
    assert "the checkpoint of step 4 is not pushed" in told


def test_what_an_earlier_program_left_behind_goes(run: Path) -> None:
    (run / f"{ASIDE}abc").mkdir()
    CheckpointUploader(OURS, run).finish()
    assert list(run.glob(f"{ASIDE}*")) == []
