"""Models and training states saved while training: written aside, then renamed, so that none is ever half there.

A checkpoint is a folder `step-000123`: the model as from_pretrained loads it and, in `state/`, what training needs to
go on. `state/manifest.json` is written last and knows every file by size and checksum.
"""

import contextlib
import errno
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.errors import UserError
from finetune.models import save_weights
from finetune.models.quiet import quiet

STATE = "state"
_MANIFEST = "manifest.json"
_BLOCK = 2**22  # bytes
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_WORDS = (*(f"(os error {number})" for number in _FULL), "inline_container", "PytorchStreamWriter")
"""What safetensors and torch.save say of a full disk or a quota, in errors of their own."""


def step_name(step: int) -> str:
    """Name of a step's checkpoint."""
    return f"step-{step:06}"


def aside(folder: Path) -> Path:
    """Where a folder is written before it is renamed."""
    return folder.with_name(folder.name + ".tmp")


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
        replace(folder)


def write_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, weights: Mapping[str, Any] | None = None
) -> None:
    """Write model and tokenizer into `folder` as it is."""
    with quiet():
        save_weights(model, folder, weights)
        tokenizer.save_pretrained(folder)


def replace(folder: Path) -> None:
    """Put what was written aside in the folder's place, once it is on the disk."""
    written = aside(folder)
    for path in written.rglob("*"):
        _flush(path)
    _flush(written)
    shutil.rmtree(folder, ignore_errors=True)
    written.rename(folder)
    _flush(folder.parent)


def seal(folder: Path) -> None:
    """Note size and checksum of every file, by which `is_whole` tells damage."""
    manifest = {str(path.relative_to(folder)): _figures(path) for path in _files(folder)}
    (folder / STATE / _MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def is_whole(folder: Path) -> bool:
    """Whether every file of a checkpoint is there and as it was written."""
    try:
        manifest = json.loads((folder / STATE / _MANIFEST).read_text(encoding="utf-8"))
        return all(_figures(folder / name) == figures for name, figures in manifest.items())
    except (OSError, ValueError, AttributeError):
        return False


def newest_first(folder: Path) -> list[Path]:
    """Checkpoints from which training can go on, whole or not."""
    return sorted((path.parent for path in folder.glob(f"step-*[0-9]/{STATE}")), reverse=True)


def prune(folder: Path, *, keep: int, best: str) -> None:
    """Delete all but the newest `keep` checkpoints and the best one's model."""
    newest = {path.name for path in newest_first(folder)[:keep]}
    for path in folder.iterdir():
        if path.name not in newest | {best}:
            _delete(path)
        elif path.name not in newest and (path / STATE).exists():
            _delete(path / STATE)


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


def _delete(path: Path) -> None:
    """Delete a folder that is no checkpoint any more from the first moment on."""
    for manifest in (path / STATE / _MANIFEST, path / _MANIFEST):
        manifest.unlink(missing_ok=True)
    shutil.rmtree(path)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name != _MANIFEST)


def _figures(path: Path) -> list[int]:
    """Size in bytes, and CRC-32."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return [path.stat().st_size, checksum]


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # folders of some file systems
            raise
    finally:
        os.close(descriptor)
