"""Models and training states saved while training: written aside, then renamed, so that none is ever half there.

A checkpoint is a folder `step-000123`: the model as from_pretrained loads it and, in `state/`, what training needs to
go on. `state/manifest.json` is written last and knows every file by size and checksum. A checkpoint whose files differ
from it is renamed to `step-000123.damaged`; only checkpoints that `training.keep_checkpoints` no longer keeps are
deleted, and of those of a complete run what `training.finished_checkpoints` does not keep.
"""

import contextlib
import errno
import itertools
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune import atomic, checksums
from finetune.errors import UserError
from finetune.models import save_weights
from finetune.models.quiet import quiet
from finetune.progress import warn

STATE = "state"
_MANIFEST = "manifest.json"
_NAME = re.compile(r"step-(\d+)")
_ASIDE = ".tmp"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = (*(f"(os error {number})" for number in _FULL), "inline_container", "PytorchStreamWriter")
"""What safetensors and torch.save say of a full disk or a quota, in errors of their own."""


def step_name(step: int) -> str:
    """Name of a step's checkpoint."""
    return f"step-{step:06}"


def step_of(folder: Path) -> int | None:
    """Return the step of a checkpoint's folder, by its name; None for any other folder or file."""
    match = _NAME.fullmatch(folder.name)
    return int(match[1]) if match else None


def aside(folder: Path) -> Path:
    """Where a folder is written before it is renamed."""
    return folder.with_name(folder.name + _ASIDE)


def save_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, weights: Mapping[str, Any] | None = None
) -> None:
    """Write model and tokenizer so that from_pretrained loads them; replaces what was there.

    Args:
        model: The model without accelerate's wrapping.
        tokenizer: Its tokenizer.
        folder: Where.
        weights: The model's state, where it is spread over processes.

    Raises:
        UserError: The disk is full.
    """
    written = aside(folder)
    with enough_room(folder):
        shutil.rmtree(written, ignore_errors=True)
        write_model(model, tokenizer, written, weights)
        atomic.move_into_place(written, folder)


def write_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, weights: Mapping[str, Any] | None = None
) -> None:
    """Write model and tokenizer into `folder` as it is."""
    with quiet():
        save_weights(model, folder, weights)
        tokenizer.save_pretrained(folder)


def seal(folder: Path) -> None:
    """Note size and checksum of every file, by which `is_whole` tells damage."""
    checksums.seal(folder, folder / STATE / _MANIFEST)


def is_whole(folder: Path) -> bool:
    """Whether every file of a checkpoint is there and as it was written.

    Raises:
        OSError: A file is there and cannot be read, so that nothing is known of the checkpoint.
    """
    return checksums.is_whole(folder, folder / STATE / _MANIFEST)


def newest_first(folder: Path) -> list[Path]:
    """Checkpoints from which training can go on, whole or not, by the number of their step.

    Args:
        folder: The folder of all checkpoints of a run; it need not exist.

    Raises:
        OSError: The folder cannot be read.
    """
    # Path.glob is not used: it leaves out in silence what it has no permission to read.
    steps = {path: step for path in _entries(folder) if (step := step_of(path)) is not None}
    return sorted((path for path in steps if (path / STATE).is_dir()), key=lambda path: steps[path], reverse=True)


def newest_whole(folder: Path) -> Path | None:
    """Return the newest checkpoint without damage, or None.

    Damaged checkpoints that are newer than it are renamed, so that the run can write theirs again. What an interrupted
    process was still writing or deleting is deleted.

    Args:
        folder: The folder of all checkpoints of a run; it need not exist.

    Raises:
        UserError: A checkpoint cannot be read. Nothing is renamed or deleted on account of it.
    """
    try:
        _delete_unfinished(folder)
        for checkpoint in newest_first(folder):
            if is_whole(checkpoint):
                return checkpoint
            kept = _set_apart(checkpoint)
            warn(f"the checkpoint {checkpoint} is damaged and left out; it is kept as {kept.name}")
    except OSError as error:
        raise UserError(
            "a checkpoint cannot be read, and the run does not go on without it; all checkpoints are left as they are",
            where=str(error.filename or folder),
            expected="files that can be read",
            found=error.strerror or str(error),
            fix="make it readable and repeat the command, or rename its folder to go on from an older one",
        ) from error
    return None


def prune_checkpoints(folder: Path, *, keep: int, best: str) -> None:
    """Delete all checkpoints but the newest `keep`, and all of the best one but its model.

    What is not named like a checkpoint, such as a damaged one that was renamed, is left alone.

    Args:
        folder: The folder of all checkpoints of a run.
        keep: How many of the newest are kept.
        best: Name of the checkpoint whose model is kept in any case.
    """
    _delete_unfinished(folder)
    newest = {path.name for path in newest_first(folder)[:keep]}
    for path in _entries(folder):
        if step_of(path) is None or path.name in newest:
            continue
        if path.name != best:
            _delete(path)
        elif (path / STATE).exists():
            _delete(path / STATE)


def clear(folder: Path, *, keep: Literal["models", "all", "none"]) -> int:
    """Delete what a complete run never reads again, and return how many bytes that were.

    What is not named like a checkpoint, such as a damaged one that was renamed, is left alone.

    Args:
        folder: The folder of all checkpoints of a run; it need not exist.
        keep: What stays of each checkpoint: its model, all of it, or nothing.

    Raises:
        OSError: Something cannot be deleted.
    """
    if keep == "all":
        return 0
    checkpoints = [path for path in _entries(folder) if step_of(path) is not None and not path.is_symlink()]
    doomed = [path / STATE for path in checkpoints] if keep == "models" else checkpoints
    freed = 0
    for path in doomed:
        if path.is_dir() and not path.is_symlink():
            freed += sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
            _delete(path)
    with contextlib.suppress(OSError):  # there is no such folder, or something of the user's is in it
        folder.rmdir()
    return freed


@contextlib.contextmanager
def enough_room(folder: Path) -> Iterator[None]:
    """Tell a full disk in one message.

    Raises:
        UserError: The disk was full inside this block. What was being written aside is gone.
    """
    try:
        yield
    except Exception as error:
        if not _is_full(error):
            raise
        shutil.rmtree(aside(folder), ignore_errors=True)
        raise UserError(
            "the disk is full; what was saved before is whole",
            where=str(folder),
            found=f"{shutil.disk_usage(_existing(folder)).free / 2**20:,.0f} MiB left",
            fix="make room, or training.keep_checkpoints=1; then go on with resume=auto",
        ) from error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(words in str(error) for words in _FULL_WORDS)


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.resolve().parents) if parent.exists())


def _entries(folder: Path) -> list[Path]:
    """Everything in a folder; nothing where there is no such folder."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _delete(path: Path) -> None:
    """Delete a folder; renamed first, so that one that is half deleted is never taken for a checkpoint."""
    doomed = aside(path)
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed)


def _delete_unfinished(folder: Path) -> None:
    """Delete what a process that ended was still writing or deleting: `step-000123.tmp` and `step-000123/state.tmp`."""
    for path in _entries(folder):
        if path.name.endswith(_ASIDE) and step_of(path.with_name(path.name.removesuffix(_ASIDE))) is not None:
            shutil.rmtree(path)
        elif step_of(path) is not None and aside(path / STATE).is_dir():
            shutil.rmtree(aside(path / STATE))


def _set_apart(folder: Path) -> Path:
    """Rename a damaged checkpoint to a name that is free; returns the new path."""
    names = (f"{folder.name}.damaged" + (f"-{number}" if number > 1 else "") for number in itertools.count(1))
    kept = next(path for name in names if not (path := folder.with_name(name)).exists())
    folder.rename(kept)
    return kept
