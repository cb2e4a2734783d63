"""A run that ends between its evaluation and its push is published when it goes on, and is not trained again."""

import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from finetune import compose, run, training
from finetune.checkpointing.run_folder import RunFolder
from finetune.errors import UserError
from tests.hub.test_publish import command, stocked, the_run, train  # noqa: F401 (a fixture)
from tests.hub_server.hub import Hub
from tests.training.processes import finish, start, together

publishing = importlib.import_module("finetune.hub.publish")  # its name in the package is that of a function
MOMENTS = ["write_card", "send"]
"""Functions of `finetune.hub.publish` in whose place the process dies."""


def die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed(folder: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> Path:
    """A run that was killed after its evaluation; gives its folder."""
    with monkeypatch.context() as patched:
        patched.setattr(publishing, moment, die)
        log = folder / "killed.log"
        assert finish(start(lambda: train(folder, "hub.push=ada/pairs"), log)) == [-signal.SIGKILL], log.read_text()
    found = the_run(folder)
    assert RunFolder(found).is_finished
    assert not RunFolder(found).is_complete
    return found


def contents(folder: Path) -> dict[str, bytes]:
    paths = [path for name in ("results.json", "metrics.jsonl") for path in folder.glob(name)]
    return {path.name: path.read_bytes() for path in (*paths, *(folder / "model").glob("*.safetensors"))}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("by", ["auto", "path"])
def test_killed_before_it_is_published_it_is_published(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], moment: str, by: str
) -> None:
    folder = killed(tmp_path, monkeypatch, moment)
    made = contents(folder)
    if by == "auto":
        assert train(tmp_path, "hub.push=ada/pairs", "resume=auto") == 0
    else:
        assert run.main([f"resume={folder}"]) == 0
    said = "".join(capfd.readouterr())
    assert the_run(tmp_path) == folder
    assert "trained and scored before" in said
    assert f"pushed: {hub.endpoint}/ada/pairs" in said
    assert "epoch" not in said
    assert contents(folder) == made
    assert ModelCard.load(folder / "model" / "README.md").data.get("datasets") == ["nyu-mll/glue"]
    assert hub.model("ada/pairs").head.files["model.safetensors"].content == made["model.safetensors"]
    assert run.main([f"resume={folder}"]) == 2
    assert f"the run {folder} is finished" in capfd.readouterr().err


def test_a_push_that_failed_is_made_up_for(
    hub: Hub, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.trouble("/commit/", 500, times=1000)
    assert train(tmp_path, "hub.push=ada/pairs") == 2
    folder = the_run(tmp_path)
    assert train(tmp_path, "hub.push=ada/pairs", "resume=auto") == 2
    assert "the trained model is not lost" in capfd.readouterr().err
    hub.faults.clear()
    assert command(monkeypatch, "push", str(folder), "ada/pairs") == 0
    assert RunFolder(folder).is_complete


def test_a_push_that_is_no_longer_wanted_is_left_out(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = killed(tmp_path, monkeypatch, "write_card")
    assert train(tmp_path, "resume=auto") == 0  # without hub.push
    assert RunFolder(folder).is_complete
    assert (folder / "model" / "README.md").is_file()
    assert "model.safetensors" not in hub.model("ada/pairs").head.files


def test_the_library_says_that_training_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = killed(tmp_path, monkeypatch, "write_card")
    with pytest.raises(UserError, match="trained and scored, and only to be published") as caught:
        training.prepare(compose.compose([f"resume={folder}"]))
    assert caught.value.fix == f"finetune run resume={folder}"


def test_two_processes_publish_once(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = killed(tmp_path, monkeypatch, "send")
    before = len(hub.model("ada/pairs").history)
    assert together(lambda: run.main([f"resume={folder}"]), tmp_path / "logs", 2) == [0, 0], (
        tmp_path / "logs" / "0.log"
    ).read_text()
    assert len(hub.model("ada/pairs").history) == before + 1


def test_final_scores_that_cannot_be_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = killed(tmp_path, monkeypatch, "write_card")
    for content in ("", "[]", '{"test": 1}', "\xff"):
        (folder / "results.json").write_text(content, encoding="latin-1")
        assert run.main([f"resume={folder}"]) == 2
        assert "results.json of the run cannot be read" in capfd.readouterr().err
    (folder / "results.json").unlink()
    assert run.main([f"resume={folder}", "hub.push=null"]) == 0
    assert "going on after step 2 of 2" in capfd.readouterr().err
    assert RunFolder(folder).is_complete


def without_readers(descriptors: tuple[int, ...], body: Callable[[], int]) -> Callable[[], int]:
    """A body whose outputs nobody reads."""

    def call() -> int:
        reader, writer = os.pipe()
        os.close(reader)
        for descriptor in descriptors:
            os.dup2(writer, descriptor)
        sys.stdout, sys.stderr = (os.fdopen(descriptor, "w", closefd=False) for descriptor in (1, 2))
        return body()

    return call


@pytest.mark.parametrize("descriptors", [(1,), (2,), (1, 2)], ids=["stdout", "stderr", "both"])
def test_a_closed_output_loses_nothing(hub: Hub, tmp_path: Path, descriptors: tuple[int, ...]) -> None:
    body = without_readers(descriptors, lambda: train(tmp_path, "hub.push=ada/pairs"))
    log = tmp_path / "log"
    assert finish(start(body, log)) == [0], log.read_text()
    assert RunFolder(the_run(tmp_path)).is_complete
    assert (the_run(tmp_path) / "model" / "README.md").is_file()
    assert "model.safetensors" in hub.model("ada/pairs").head.files
