"""Checkpoints: models and training states that are saved during training.

A checkpoint is a folder `step-000123` with the model, as `from_pretrained` loads it, and with `state/`, from which
training is resumed. It is written as `step-000123.tmp` and then renamed, so that it is there whole or not at all.
`state/manifest.json`, which is written last, has the size and the checksum of every file. A checkpoint whose files
differ from it is renamed to `step-000123.damaged`. A checkpoint is deleted only when `training.keep_checkpoints` does
not keep it any more, or when the run is complete and `training.finished_checkpoints` does not keep it.
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
"""Parts of the messages in which safetensors and torch.save report a full disk or a quota by errors of their own."""


def step_name(step: int) -> str:
    """Return the name of the checkpoint of a step."""
    return f"step-{step:06}"


def step_of(folder: Path) -> int | None:
    """Return the step of a checkpoint's folder, by its name; None for any other folder or file."""
    match = _NAME.fullmatch(folder.name)
    return int(match[1]) if match else None


def aside(folder: Path) -> Path:
    """Return the path at which a folder is written before it is renamed, the same on all processes."""
    return folder.with_name(folder.name + _ASIDE)


def save_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, weights: Mapping[str, Any] | None = None
) -> None:
    """Save a model and its tokenizer for `from_pretrained`, in place of the model that was there.

    Args:
        model: The model without accelerate's wrapping.
        tokenizer: The tokenizer of the model.
        folder: Folder of the model; it is replaced as a whole.
        weights: The model's state_dict, where the weights are sharded over processes; None reads it from the model.

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
    """Save a model and its tokenizer into a folder that may hold other files, see `save_model`."""
    with quiet():
        save_weights(model, folder, weights)
        tokenizer.save_pretrained(folder)


def seal(folder: Path) -> None:
    """Write the size and the checksum of every file of a checkpoint, which `is_whole` compares."""
    checksums.seal(folder, folder / STATE / _MANIFEST)


def is_whole(folder: Path) -> bool:
    """Return whether every file of a checkpoint is there and as it was written.

    Raises:
        OSError: A file is there and cannot be read, so that it is not known whether the checkpoint is damaged.
    """
    return checksums.is_whole(folder, folder / STATE / _MANIFEST)


def newest_first(folder: Path) -> list[Path]:
    """Return the checkpoints from which training can be resumed, damaged or not, the one of the latest step first.

    Args:
        folder: The folder of all checkpoints of a run; it need not exist.

    Raises:
        OSError: The folder cannot be read.
    """
    # Path.glob is not used: it silently omits what it has no permission to read.
    steps = {path: step for path in _entries(folder) if (step := step_of(path)) is not None}
    return sorted((path for path in steps if (path / STATE).is_dir()), key=lambda path: steps[path], reverse=True)


def newest_whole(folder: Path) -> Path | None:
    """Return the newest undamaged checkpoint, or None.

    Damaged checkpoints that are newer are renamed, so that the run can write checkpoints of these steps again. Folders
    that an interrupted process was writing or deleting are deleted.

    Args:
        folder: The folder of all checkpoints of a run; it need not exist.

    Raises:
        UserError: A checkpoint cannot be read. It is not renamed or deleted.
    """
    try:
        _delete_unfinished(folder)
        for checkpoint in newest_first(folder):
            if is_whole(checkpoint):
                return checkpoint
            kept = _set_apart(checkpoint)
            warn(f"the checkpoint {checkpoint} is damaged and not used; it is kept as {kept.name}")
    except OSError as error:
        raise UserError(
            "a checkpoint cannot be read, and the run is not resumed without it; all checkpoints are left as they are",
            where=str(error.filename or folder),
            expected="files that can be read",
            found=error.strerror or str(error),
            fix="make it readable and repeat the command, or rename its folder to resume from an older one",
        ) from error
    return None


def prune_checkpoints(folder: Path, *, keep: int, best: str) -> None:
    """Delete all checkpoints except the newest ones and the model of the best one.

    Folders without the name of a checkpoint, such as damaged checkpoints that were renamed, are not deleted.

    Args:
        folder: The folder of all checkpoints of a run.
        keep: Number of the newest checkpoints that are kept.
        best: Name of the best checkpoint, whose model is kept in any case.
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
    """Delete the parts of checkpoints that a complete run does not need, and return their size in bytes.

    Folders without the name of a checkpoint, such as damaged checkpoints that were renamed, are not deleted.

    Args:
        folder: The folder of all checkpoints of a run; it need not exist.
        keep: What is kept of each checkpoint: its model, all of it, or nothing.

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
            freed += sum(map(_size, path.rglob("*")))
            _delete(path)
    with contextlib.suppress(OSError):  # there is no such folder, or it holds files of the user
        folder.rmdir()
    return freed


def _size(file: Path) -> int:
    """Return the bytes that deleting a file frees: none where another hard link keeps its content."""
    status = file.lstat()
    return status.st_size if file.is_file() and status.st_nlink == 1 else 0


@contextlib.contextmanager
def enough_room(folder: Path) -> Iterator[None]:
    """Report a full disk inside this block in one message.

    Args:
        folder: The folder that is written in the block.

    Raises:
        UserError: The disk was full. What was written of `folder` under its temporary name is deleted.
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
            fix="make room, or training.keep_checkpoints=1; then resume=auto",
        ) from error


def _is_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(words in str(error) for words in _FULL_WORDS)


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.resolve().parents) if parent.exists())


def _entries(folder: Path) -> list[Path]:
    """Return the paths in a folder in order; an empty list if there is no such folder."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _delete(path: Path) -> None:
    """Delete a folder. It is renamed first, so that a folder that is partly deleted is never taken for a checkpoint."""
    doomed = aside(path)
    shutil.rmtree(doomed, ignore_errors=True)
    path.rename(doomed)
    shutil.rmtree(doomed)


def _delete_unfinished(folder: Path) -> None:
    """Delete what an interrupted process was writing or deleting: `step-000123.tmp` and `step-000123/state.tmp`."""
    for path in _entries(folder):
        if path.name.endswith(_ASIDE) and step_of(path.with_name(path.name.removesuffix(_ASIDE))) is not None:
            shutil.rmtree(path)
        elif step_of(path) is not None and aside(path / STATE).is_dir():
            shutil.rmtree(aside(path / STATE))


def _set_apart(folder: Path) -> Path:
    """Rename a damaged checkpoint to a free name, and return the new path."""
    names = (f"{folder.name}.damaged" + (f"-{number}" if number > 1 else "") for number in itertools.count(1))
    kept = next(path for name in names if not (path := folder.with_name(name)).exists())
    folder.rename(kept)
    return kept
