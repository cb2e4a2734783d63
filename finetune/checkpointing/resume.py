"""Resuming: `resume=auto` finds the newest unfinished run of the same recipe, and `resume=FOLDER` names one."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, parse_flag_from_env

from finetune import compose
from finetune.allowed_code import ALLOWED, needs_permission
from finetune.checkpointing.checkpoint import newest_first
from finetune.checkpointing.run_folder import RunFolder, runs_of
from finetune.checkpointing.run_lock import RunLock, at_work
from finetune.checkpointing.typed_command import typed_command, with_key
from finetune.dotted_keys import flatten
from finetune.errors import Interrupted, UserError
from finetune.progress import say
from finetune.recipe import Recipe

HARMLESS = (
    "resume",
    "allow_code",
    "name",
    "summary",
    "output_dir",
    "data.cache_dir",
    "model.cache_dir",
    "evaluation",
    "hub",
    "training.trackers",
    "training.eval_every",
    "training.patience",
    "training.log_every",
    "training.save_every",
    "training.keep_checkpoints",
    "training.finished_checkpoints",
    "training.prefetch",
    "training.gradient_checkpointing",
    "training.on_nonfinite",
    "training.max_left_out",
)
"""Keys and sections that may be changed when a run is resumed, because none of them changes the weights."""

CHOSEN = ("training.precision", "training.fp32_matmul")
"""Keys whose value `auto` is resolved for each machine; a run that is resumed keeps the value that was chosen."""

Difference = tuple[str, Any, Any]
"""A key, its value in the run, and its value now."""


@dataclass(frozen=True)
class Start:
    """Where a run starts.

    Args:
        recipe: The recipe, with the values that a resumed run chose for its machine.
        folder: The folder of the run that is resumed; None for a new run.
        lock: The lock of that folder, which the main process holds.
    """

    recipe: Recipe
    folder: RunFolder | None
    lock: RunLock

    @property
    def is_finished(self) -> bool:
        """Whether the run that is resumed is trained and evaluated, so that it has only to be published."""
        return self.folder is not None and self.folder.is_finished


def find_start(recipe: Recipe) -> Start:
    """Find the run to resume, and lock it before anything of it is read; called by all processes.

    Args:
        recipe: The recipe, whose key `resume` is read: None for a new run, `auto`, or a folder.

    Raises:
        UserError: The named folder holds no run, or a run that is complete, that another process has locked, or that
            belongs to another recipe.
    """
    lock = RunLock()
    if recipe.resume is None:
        return Start(recipe, None, lock)
    processes = PartialState(cpu=parse_flag_from_env("ACCELERATE_USE_CPU"))  # as Accelerator makes it later
    found: list[RunFolder | UserError | None] = [_find(recipe, lock) if processes.is_main_process else None]
    broadcast_object_list(found)
    if isinstance(found[0], UserError):
        raise found[0]
    folder = found[0]
    return Start(recipe if folder is None else _as_chosen(recipe, folder), folder, lock)


def _find(recipe: Recipe, lock: RunLock) -> RunFolder | UserError | None:
    try:
        with lock.released_on_error():
            return (
                _find_newest(recipe, lock)
                if recipe.resume == "auto"
                else _open_named(recipe, Path(str(recipe.resume)), lock)
            )
    except UserError as error:
        return error


def differences(stored: Recipe, asked: Recipe) -> list[Difference]:
    """Return the keys in which two recipes differ although a run that is resumed must not change them."""
    before, now = flatten(stored.model_dump(mode="json")), flatten(asked.model_dump(mode="json"))
    return [
        (key, before.get(key), now.get(key))
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key) and not _is_harmless(key) and not (key in CHOSEN and now.get(key) == "auto")
    ]


def command(recipe: Recipe, folder: Path, processes: int) -> str:
    """Return the command that resumes a run: the one that was typed, with the key `resume`.

    A run that another program started, such as a notebook, is resumed by `finetune run`.

    Args:
        recipe: The recipe of the run. Where it names code, the command allows it, since the run folder cannot.
        folder: The run folder.
        processes: Number of processes of the run.
    """
    if (typed := typed_command()) is not None:
        return with_key(typed, "resume", str(folder))
    words = f"resume={shlex.quote(str(folder))}" + (f" {ALLOWED}" if needs_permission(recipe) else "")
    if processes == 1:
        return f"finetune run {words}"
    on_cpu = "ACCELERATE_USE_CPU=true " if os.environ.get("ACCELERATE_USE_CPU") else ""
    return f"{on_cpu}accelerate launch --multi_gpu --num_processes {processes} finetune/run.py {words}"


@contextmanager
def saying_how_to_resume(recipe: Recipe, folder: RunFolder, processes: int) -> Iterator[None]:
    """Let errors inside this block say how to resume the run, where a checkpoint is saved.

    Args:
        recipe: The recipe of the run.
        folder: The run folder.
        processes: Number of processes of the run.
    """
    try:
        yield
    except Interrupted:
        raise
    except Exception as error:
        is_told = bool(getattr(error, "__notes__", ()))  # of an error in a callback, with the call that passes it again
        if newest_first(folder.checkpoints) and not is_told:
            again = command(recipe, folder.path, processes)
            if isinstance(error, UserError):
                error.resume = again
            else:
                error.add_note(f"to resume the run after its last checkpoint:\n  {again}")
        raise


def _find_newest(recipe: Recipe, lock: RunLock) -> RunFolder | None:
    for folder in _unfinished(recipe):
        reason = _lock_or_reason(folder, recipe, lock)
        if reason is None:
            return folder
        say(f"unfinished, but {reason}: {folder.path}")
    lock.release()
    return None


def _lock_or_reason(folder: RunFolder, recipe: Recipe, lock: RunLock) -> str | None:
    """Lock a run, and return the reason why this process cannot resume it, or None."""
    try:
        if not lock.take(folder.path):
            return "at work in another process"
        if folder.is_complete:  # another process was at work on it until a moment ago
            return "completed by another process just now"
        different = differences(_stored(folder), recipe)
    except UserError as error:
        return f"not usable ({error.problem})"
    return f"not of this recipe ({_describe(different)})" if different else None


def _unfinished(recipe: Recipe) -> Iterator[RunFolder]:
    paths = [path.parent for path in runs_of(recipe).glob("*/recipe.yaml")]
    # Sorted by time; runs that started in the same second are numbered.
    for path in sorted(paths, key=lambda path: (path.name[:19], len(path.name), path.name), reverse=True):
        folder = RunFolder(path)
        if not folder.is_complete:
            yield folder


def _open_named(recipe: Recipe, path: Path, lock: RunLock) -> RunFolder:
    folder = RunFolder(path)
    if not folder.recipe.is_file():
        raise UserError(
            f"{path} is not the folder of a run",
            where="resume",
            expected="auto, or a folder such as runs/<recipe>/<time>",
            found="no recipe.yaml in it" if path.is_dir() else "no such folder",
        )
    if folder.is_complete:
        raise _complete(folder)
    if not lock.take(folder.path):
        raise at_work(folder.path)
    if folder.is_complete:  # another process was at work on it until a moment ago
        raise _complete(folder)
    if different := differences(_stored(folder), recipe):
        raise UserError(
            f"the recipe is not the one of the run {path}",
            where=", ".join(key for key, _, _ in different),
            expected=", ".join(f"{key}={before}" for key, before, _ in different),
            found=", ".join(f"{key}={now}" for key, _, now in different),
            fix=f"resume={path} alone, or start a new run without resume=",
        )
    return folder


def _complete(folder: RunFolder) -> UserError:
    return UserError(
        f"the run {folder.path} is finished",
        where="resume",
        found="results.json in it",
        fix="start anew, without resume=",
    )


def _stored(folder: RunFolder) -> Recipe:
    return compose.load_recipe(str(folder.recipe))


def _as_chosen(recipe: Recipe, folder: RunFolder) -> Recipe:
    chosen = flatten(_stored(folder).model_dump(mode="json"))
    return compose.override(recipe, {key: chosen[key] for key in CHOSEN})


def _describe(different: list[Difference]) -> str:
    return ", ".join(f"{key}={before} there, {now} here" for key, before, now in different)


def _is_harmless(key: str) -> bool:
    return any(key == harmless or key.startswith(f"{harmless}.") for harmless in HARMLESS)
