"""A complete run keeps what is used, and nothing that only resuming would read."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune import compose
from finetune.checkpointing import checkpoint, completion
from finetune.checkpointing.completion import complete
from finetune.checkpointing.run_folder import RunFolder
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.run import main, run_recipe
from finetune.training.run import prepare
from tests.checkpointing.runs import interrupted, only_run, small
from tests.checkpointing.test_checkpoint import contents, sealed

Toy = Callable[..., Recipe]


def finished(toy: Toy, kept: str) -> Path:
    recipe = small(toy, **{"training.epochs": 1, "training.finished_checkpoints": kept})
    run_recipe(recipe)
    return only_run(recipe)


def goes_on(folder: Path) -> bool:
    """Whether the run's checkpoints hold what resuming reads."""
    checkpoints = checkpoint.newest_first(folder / "checkpoints")
    return len(checkpoints) == 2 and all(map(checkpoint.is_whole, checkpoints))


def test_models_stay_without_their_states(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    folder = finished(toy, "models")
    checkpoints = sorted((folder / "checkpoints").iterdir())
    assert [path.name for path in checkpoints][-2:] == ["step-000004", "step-000006"]
    for path in checkpoints:
        assert (path / "model.safetensors").is_file()
        assert not (path / "state").exists()
    assert (folder / "model" / "model.safetensors").is_file()
    said = " ".join(capsys.readouterr().err.split())
    assert "the states of the checkpoints, for resuming, are deleted" in said
    assert "training.finished_checkpoints=all keeps them" in said


@pytest.mark.parametrize("kept", ["models", "all"])
def test_the_same_weights_are_on_the_disk_once(toy: Toy, kept: str) -> None:
    folder = finished(toy, kept)
    best = json.loads((folder / "results.json").read_text())["best_step"]
    weights = folder / "checkpoints" / checkpoint.step_name(best) / "model.safetensors"
    assert (folder / "model" / "model.safetensors").samefile(weights)
    if kept == "all":
        for path in checkpoint.newest_first(folder / "checkpoints"):
            assert (path / "state" / "model.safetensors").samefile(path / "model.safetensors")


def test_no_more_is_said_to_be_freed_than_is(toy: Toy) -> None:
    folder = finished(toy, "all") / "checkpoints"
    before = on_the_disk(folder.parent)
    assert checkpoint.clear(folder, keep="models") == before - on_the_disk(folder.parent) > 0


def on_the_disk(folder: Path) -> int:
    """Bytes of all files, those with several names counted once."""
    files = {path.stat().st_ino: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return sum(files.values())


def test_nothing_stays_but_the_best_model(toy: Toy) -> None:
    folder = finished(toy, "none")
    assert not (folder / "checkpoints").exists()
    assert (folder / "model" / "model.safetensors").is_file()


def test_all_stays_where_it_is_asked_for(toy: Toy, capsys: pytest.CaptureFixture[str]) -> None:
    folder = finished(toy, "all")
    assert goes_on(folder)
    assert "deleted" not in capsys.readouterr().err


def test_it_is_the_default() -> None:
    assert compose.compose(["recipe=sst2"]).training.finished_checkpoints == "models"


@pytest.mark.parametrize("kept", ["models", "all", "none"])
def test_a_complete_run_does_not_go_on(toy: Toy, capsys: pytest.CaptureFixture[str], kept: str) -> None:
    folder = finished(toy, kept)
    before = contents(folder)
    with pytest.raises(UserError, match="is finished"):
        prepare(compose.compose([f"resume={folder}"]))
    assert main([f"resume={folder}"]) == 2
    assert f"the run {folder} is finished" in capsys.readouterr().err
    assert contents(folder) == before


def test_a_run_that_is_not_complete_keeps_all(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy, **{"training.epochs": 1, "training.finished_checkpoints": "none"})

    def fails(*_: Any, **__: Any) -> None:
        raise UserError("no network")

    with monkeypatch.context() as patched:
        patched.setattr("finetune.hub.publish", fails)
        with pytest.raises(UserError, match="no network"):
            run_recipe(recipe)
    folder = only_run(recipe)
    assert RunFolder(folder).is_finished
    assert goes_on(folder)
    (folder / "results.json").unlink()  # the user wants it scored again
    run_recipe(compose.override(recipe, {"resume": str(folder)}))
    assert not (folder / "checkpoints").exists()


def test_an_unfinished_run_keeps_all(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = interrupted(small(toy, **{"training.finished_checkpoints": "none"}), monkeypatch, 4)
    assert goes_on(folder)


@pytest.mark.parametrize("keep", ["models", "none"])
def test_what_the_run_did_not_make_stays(tmp_path: Path, keep: Any) -> None:
    made, other = sealed(tmp_path / "checkpoints", 1), sealed(tmp_path / "elsewhere", 2)
    (tmp_path / "checkpoints" / "step-000003.damaged" / "state").mkdir(parents=True)
    (tmp_path / "checkpoints" / "step-000003.damaged" / "state" / "optimizer.bin").write_bytes(b"x")
    (tmp_path / "checkpoints" / "notes.md").write_text("mine")
    (tmp_path / "checkpoints" / "step-000002").symlink_to(other)
    size = sum(path.stat().st_size for path in (made if keep == "none" else made / "state").rglob("*"))
    kept = contents(other), contents(tmp_path / "checkpoints" / "step-000003.damaged")
    freed = checkpoint.clear(tmp_path / "checkpoints", keep=keep)
    assert 0 < freed <= size
    assert (contents(other), contents(tmp_path / "checkpoints" / "step-000003.damaged")) == kept
    left = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    expected = {"step-000003.damaged", "notes.md", "step-000002"}
    assert left == (expected if keep == "none" else expected | {"step-000001"})
    assert made.exists() == (keep == "models")
    assert checkpoint.clear(tmp_path / "nowhere", keep=keep) == 0


def test_what_cannot_be_deleted_is_told(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: Any, **__: Any) -> int:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), "step-000001")

    monkeypatch.setattr(completion, "clear", fails)
    complete(RunFolder(tmp_path), small(toy).training)
    assert "warning: the checkpoints of the complete run cannot be deleted" in capsys.readouterr().err
