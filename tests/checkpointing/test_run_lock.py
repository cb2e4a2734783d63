"""One process at a time is at work on a run, from before it reads anything of it until it has published it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finetune import compose
from finetune.checkpointing.run_folder import RunFolder
from finetune.checkpointing.run_lock import RunLock
from finetune.recipe import Recipe
from finetune.run import main, run_recipe, status
from finetune.training import loop as loops
from finetune.training import saving
from tests.checkpointing.runs import assert_same_bits, elsewhere, interrupted, small
from tests.training.processes import SECONDS, finish, start

Toy = Callable[..., Recipe]


def wait_for(path: Path) -> None:
    end = time.monotonic() + SECONDS / 2
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not come"
        time.sleep(0.01)


def waiting_at(recipe: Recipe, owner: Any, name: str, folder: Path) -> Callable[[], int]:
    """A run, for a process of its own, that says when it comes to a function, and waits there until it may go on."""

    def body() -> int:
        original = getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            (folder / "reached").touch()
            wait_for(folder / "go")
            return original(*arguments, **options)

        setattr(owner, name, call)
        return status(recipe)

    return body


@pytest.mark.parametrize(
    ("owner", "name"),
    [(loops, "restore"), (saving, "newest_whole"), (RunFolder, "cut_metrics"), (RunFolder, "write_results")],
)
def test_of_two_that_go_on_at_once_one_has_the_run(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    recipe = small(toy, **{"training.epochs": 1})
    if name == "write_results":
        run_recipe(recipe)
    told = elsewhere(recipe, "told")
    folder = interrupted(told, monkeypatch, 4)
    both = compose.override(told, {"resume": "auto"})
    first = start(waiting_at(both, owner, name, tmp_path), tmp_path / "first.log")
    wait_for(tmp_path / "reached")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    second = start(lambda: main([f"resume={folder}"]), tmp_path / "second.log")
    assert finish(second) == [2]
    said = (tmp_path / "second.log").read_text()
    assert f"the run {folder} is at work" in said
    assert f"process {first.pid} of" in said
    third = start(lambda: status(both), tmp_path / "third.log")
    assert finish(third) == [0]
    said = (tmp_path / "third.log").read_text()
    assert f"unfinished, but at work in another process: {folder}" in said
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    (tmp_path / "go").touch()
    assert finish(first) == [0], (tmp_path / "first.log").read_text()
    if name == "write_results":
        (whole,) = (recipe.output_dir / recipe.name).iterdir()
        assert_same_bits(whole, folder)


def test_a_new_run_is_locked_before_it_can_be_found(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = RunLock()
    folder = RunFolder.create(small(toy), lock=lock).path
    other = start(lambda: int(RunLock().take(folder)), tmp_path / "log")
    assert finish(other) == [0]
    lock.release()
    assert finish(start(lambda: int(RunLock().take(folder)), tmp_path / "log")) == [1]


def test_the_hold_ends_with_the_process(tmp_path: Path) -> None:
    def dies() -> int:
        assert RunLock().take(tmp_path)
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def takes() -> int:
        assert lock.take(tmp_path)
        return 0

    lock = RunLock()
    assert finish(start(dies, tmp_path / "log")) == [-signal.SIGKILL]
    assert finish(start(takes, tmp_path / "log")) == [0]


def test_a_run_that_fails_is_unlocked(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = interrupted(small(toy), monkeypatch, 2)
    assert finish(start(lambda: int(RunLock().take(folder)), tmp_path / "log")) == [1]


def test_taking_another_run_lets_the_first_go(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    lock = RunLock()
    assert lock.take(folders[0])
    assert lock.take(folders[1])
    takes = [start(lambda folder=folder: int(RunLock().take(folder)), tmp_path / "log") for folder in folders]  # type: ignore[misc]
    assert finish(*takes) == [1, 0]
    lock.release()


def test_a_folder_that_cannot_be_locked_is_told(
    toy: Toy, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small(toy, **{"training.epochs": 1})
    folder = interrupted(recipe, monkeypatch, 2)
    (folder / ".lock").unlink()
    (folder / ".lock").mkdir()
    assert main([f"resume={folder}"]) == 2
    assert "the run cannot be locked against other processes" in capsys.readouterr().err
    run_recipe(compose.override(recipe, {"resume": "auto"}))
    assert "unfinished, but not usable (the run cannot be locked" in capsys.readouterr().err
