"""Checkpoints: what damages one is found, and a full disk costs none."""

import errno
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from finetune import compose, training
from finetune.errors import UserError
from finetune.metrics import Scores
from finetune.recipe import Recipe
from finetune.run import run, status
from finetune.training import checkpoint, saving
from finetune.training.evaluation import Evaluated
from finetune.training.job import prepare
from finetune.training.loop import Loop
from finetune.training.run_folder import RunFolder
from tests.training.processes import finish, start
from tests.training.test_resume import assert_same_bits, elsewhere, interrupted, only_run, small

Toy = Callable[..., Recipe]


def flip(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


@pytest.mark.parametrize("damage", [flip, truncate, Path.unlink])
@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "state/optimizer.bin", "state/manifest.json"])
def test_damage_to_any_file_is_found(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "step-000001"
    (folder / "state").mkdir(parents=True)
    for each in ("config.json", "model.safetensors", "state/optimizer.bin"):
        (folder / each).write_bytes(os.urandom(100))
    assert not checkpoint.is_whole(folder)
    checkpoint.seal(folder)
    assert checkpoint.is_whole(folder)
    damage(folder / name)
    assert not checkpoint.is_whole(folder)


def test_all_damaged_it_begins_again(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(toy)
    folder = interrupted(recipe, monkeypatch, 4)
    for path in folder.glob("checkpoints/*/state/manifest.json"):
        path.unlink()
    loop = Loop(prepare(compose.override(recipe, {"resume": "auto"})))
    assert (loop.job.folder.path, loop.state.step) == (folder, 0)
    assert "from the beginning" in capsys.readouterr().err


def test_a_best_that_gave_way_to_a_damaged_one_is_forgotten(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scored at other steps than before, the run has nothing better; what it ends with must be there."""
    values = iter([0.2, 0.3, 0.1, 0.1])
    evaluated = (Evaluated(Scores(values={"accuracy": value}), 1.0, ()) for value in values)
    monkeypatch.setattr("finetune.training.loop.evaluate", lambda *_, **__: next(evaluated))
    recipe = small(toy, **{"training.epochs": 1})
    folder = interrupted(recipe, monkeypatch, 6)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["step-000004", "step-000006"]
    flip(folder / "checkpoints" / "step-000006" / "model.safetensors")
    loop = Loop(prepare(compose.override(recipe, {"resume": "auto", "training.eval_every": 100})))
    assert loop.state.step == 4
    loop.run()
    assert loop.best_checkpoint.is_dir()


def full(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def full_in_other_words(*_: Any, **__: Any) -> None:
    raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")


def test_a_full_disk_loses_nothing(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = small(toy, **{"training.epochs": 1})
    folder = interrupted(recipe, monkeypatch, 4)
    resumed = compose.override(recipe, {"resume": str(folder)})
    before = {path: path.read_bytes() for path in (folder / "checkpoints").rglob("*") if path.is_file()}
    fails = [(torch, "save", full), (saving, "write_model", full_in_other_words), (RunFolder, "log", full)]
    for owner, name, failure in fails:
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, failure)
            with pytest.raises(UserError, match="the disk is full") as caught:
                training.fit(prepare(resumed))
        assert "MiB left" in str(caught.value.found)
        assert {path: path.read_bytes() for path in before} == before
        assert not list((folder / "checkpoints").glob("*.tmp"))
    run(resumed)
    assert RunFolder(folder).is_finished


def limited(recipe: Recipe, size: int) -> Callable[[], int]:
    """A run, for a process of its own, whose files end at so many bytes, as on a full disk."""

    def body() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            return status(recipe)
        except UserError as error:
            print(error)
            return 2

    return body


@pytest.mark.parametrize("size", [2**20, 3 * 2**20], ids=["no room for weights", "no room for the optimizer"])
def test_a_full_disk_costs_no_bit(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    recipe, log = small(toy, **{"training.epochs": 1}), tmp_path / "log"
    assert finish(start(lambda: status(recipe), log)) == [0], log.read_text()
    resumed = compose.override(elsewhere(recipe, "resumed"), {"resume": "auto"})
    folder = interrupted(resumed, monkeypatch, 3)
    saved = {path: path.read_bytes() for path in (folder / "checkpoints").rglob("*") if path.is_file()}
    assert finish(start(limited(resumed, size), log)) == [2], log.read_text()
    assert "the disk is full; what was saved before is whole" in log.read_text()
    assert {path: path.read_bytes() for path in (folder / "checkpoints").rglob("*") if path.is_file()} == saved
    assert finish(start(lambda: status(resumed), log)) == [0], log.read_text()
    assert_same_bits(only_run(recipe), folder)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_safetensors_says_full_in_words_of_its_own(tmp_path: Path, number: int) -> None:
    words = f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})"
    for error in (SafetensorError(words), OSError(number, os.strerror(number))):
        with pytest.raises(UserError, match="the disk is full"), checkpoint.enough_room(tmp_path):
            raise error


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="there is no device that is always full")
def test_torch_says_full_in_words_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the disk is full"), checkpoint.enough_room(tmp_path / "step-1"):
        torch.save({"weights": torch.zeros(2**20)}, "/dev/full")


def test_other_failures_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="something else"), checkpoint.enough_room(tmp_path):
        raise RuntimeError("something else")
