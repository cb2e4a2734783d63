"""Checkpoints: what damages one is found, and a full disk costs none."""

import errno
import io
import os
import resource
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError

from finetune import compose, training
from finetune.checkpointing import checkpoint
from finetune.checkpointing.run_folder import RunFolder
from finetune.errors import UserError
from finetune.metrics import Scores
from finetune.recipe import Recipe
from finetune.run import main, run_recipe, status
from finetune.training import saving
from finetune.training.evaluation import EvaluationResult
from finetune.training.loop import Loop
from finetune.training.run import prepare
from tests.checkpointing.runs import assert_same_bits, elsewhere, interrupted, only_run, small
from tests.training.processes import finish, start

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
    assert (loop.run.folder.path, loop.state.step) == (folder, 0)
    assert "from the beginning" in capsys.readouterr().err


def sealed(folder: Path, step: int) -> Path:
    """A whole checkpoint of one small file."""
    made = folder / checkpoint.step_name(step)
    (made / "state").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(os.urandom(100))
    checkpoint.seal(made)
    return made


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_checkpoints_are_ordered_by_number(tmp_path: Path) -> None:
    steps = (999_998, 999_999, 1_000_000, 10_000_000)
    made = {step: sealed(tmp_path, step) for step in steps}
    assert checkpoint.newest_first(tmp_path) == [made[step] for step in reversed(steps)]
    assert checkpoint.newest_whole(tmp_path) == made[10_000_000]
    checkpoint.prune_checkpoints(tmp_path, keep=2, best=made[999_998].name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-1000000", "step-10000000", "step-999998"]
    assert not (made[999_998] / "state").exists()


def test_pruning_deletes_old_checkpoints_alone(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        sealed(tmp_path, step)
    (tmp_path / "step-000002.damaged").mkdir()
    (tmp_path / "step-of-mine").mkdir()
    (tmp_path / "notes.md").write_text("mine")
    (tmp_path / "mine.tmp").mkdir()
    (tmp_path / "step-000009.tmp").mkdir()
    checkpoint.prune_checkpoints(tmp_path, keep=1, best="step-000003")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["mine.tmp", "notes.md", "step-000002.damaged", "step-000003", "step-of-mine"]


def test_a_damaged_checkpoint_is_renamed_and_never_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    older = sealed(tmp_path, 3)
    expected = {}
    for name in ("step-000004.damaged", "step-000004.damaged-2"):
        newest = sealed(tmp_path, 4)
        flip(newest / "model.safetensors")
        expected[name] = (newest / "model.safetensors").read_bytes()
        assert checkpoint.newest_whole(tmp_path) == older
        assert f"kept as {name}" in " ".join(capsys.readouterr().err.split())
    assert {name: (tmp_path / name / "model.safetensors").read_bytes() for name in expected} == expected
    assert checkpoint.newest_first(tmp_path) == [older]


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.EMFILE])
@pytest.mark.parametrize("name", ["manifest.json", "model.safetensors", "step-000004"])
def test_what_cannot_be_read_stays_as_it_is(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, name: str
) -> None:
    """A run that goes on once the trouble is over has lost nothing."""
    recipe = small(toy, **{"training.epochs": 1})
    folder = interrupted(recipe, monkeypatch, 4)
    before = contents(folder / "checkpoints")
    arguments = [f"recipe={folder / 'recipe.yaml'}", f"resume={folder}"]
    original = io.open

    def fails(path: Any, *arguments: Any, **options: Any) -> Any:
        if "checkpoints" in str(path) and name in str(path):
            raise OSError(number, os.strerror(number), str(path))
        return original(path, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(io, "open", fails)
        assert main(arguments) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "a checkpoint cannot be read" in said
    assert os.strerror(number) in said
    assert contents(folder / "checkpoints") == before
    assert Loop(prepare(compose.override(recipe, {"resume": str(folder)}))).state.step == 4


def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed(tmp_path, 1)

    def fails(path: Any = ".") -> Any:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    for name in ("listdir", "scandir"):
        monkeypatch.setattr(os, name, fails)
    with pytest.raises(UserError, match="cannot be read") as caught:
        checkpoint.newest_whole(tmp_path)
    assert caught.value.where == str(tmp_path)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o007, 0o660), (0o077, 0o600)])
def test_files_have_the_permissions_of_the_umask(toy: Toy, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        recipe = small(toy, **{"training.epochs": 1})
        run_recipe(recipe)
    finally:
        os.umask(before)
    folder = only_run(recipe)
    written = [path for name in ("checkpoints", "model") for path in (folder / name).rglob("*") if path.is_file()]
    assert {path.name for path in written} >= {"model.safetensors", "process_0.pt", "config.json"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in written} == {mode}


def test_a_best_that_gave_way_to_a_damaged_one_is_forgotten(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scored at other steps than before, the run has nothing better; what it ends with must be there."""
    values = iter([0.2, 0.3, 0.1, 0.1])
    evaluated = (EvaluationResult(Scores(values={"accuracy": value}), 1.0, ()) for value in values)
    monkeypatch.setattr("finetune.training.monitor.evaluate", lambda *_, **__: next(evaluated))
    recipe = small(toy, **{"training.epochs": 1})
    folder = interrupted(recipe, monkeypatch, 6)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["step-000004", "step-000006"]
    flip(folder / "checkpoints" / "step-000006" / "model.safetensors")
    loop = Loop(prepare(compose.override(recipe, {"resume": "auto", "training.eval_every": 100})))
    assert loop.state.step == 4
    loop.train()
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
    run_recipe(resumed)
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
