"""Files and folders that appear under their names whole or not at all, also after a crash or a power cut.

Content is written under another name on the same file system, flushed to the disk, and then renamed: a rename either
happens or does not. Every file of finetune that must not be half there is written by this module.
"""

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

UNFINISHED = ".unfinished-"
"""Prefix of the names of folders that hold what is still being written; a process that is killed leaves its own."""


@contextlib.contextmanager
def written_aside(path: Path, *, keep_existing: bool = False) -> Iterator[Path]:
    """Yield a path to write a file or a folder to; it is moved to `path` at the end of the block.

    After an exception in the block, what was written is deleted and `path` is as it was before. Several processes may
    write the same path at once.

    Args:
        path: Path of the file or the folder; its parent folder exists.
        keep_existing: Whether a folder that is already at `path` stays, because its content is the same.

    Raises:
        OSError: The content cannot be written.
    """
    with folder_aside(path.parent) as folder:
        written = folder / path.name
        yield written
        move_into_place(written, path, keep_existing=keep_existing)


@contextlib.contextmanager
def folder_aside(parent: Path) -> Iterator[Path]:
    """Yield a new folder inside `parent`, which is deleted with all its content at the end of the block."""
    with tempfile.TemporaryDirectory(dir=parent, prefix=UNFINISHED, ignore_cleanup_errors=True) as name:
        yield Path(name)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, which replaces the one that was there."""
    with written_aside(path) as written:
        written.write_text(text, encoding="utf-8")


def move_into_place(written: Path, path: Path, *, keep_existing: bool = False) -> None:
    """Move a file or a folder to the path that it is to have, once all of it is on the disk.

    A file replaces the file that is at `path` in one operation. A folder that is at `path` is deleted first.

    Args:
        written: The file or the folder, on the same file system as `path`.
        path: Path that it is to have.
        keep_existing: Whether a folder that is already at `path` stays, because its content is the same; `written` is
            then left where it is.

    Raises:
        OSError: It cannot be flushed or renamed.
    """
    if written.is_dir():
        _follow_umask(written)
        flush_tree(written)
        if not keep_existing:
            shutil.rmtree(path, ignore_errors=True)
    else:
        flush(written)
    try:
        written.replace(path)
    except OSError:
        if not (keep_existing and path.is_dir()):
            raise
    flush(path.parent)


def flush(path: Path) -> None:
    """Wait until the content of a file, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems cannot flush folders
            raise
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Wait until a folder and everything in it are on the disk."""
    for path in folder.rglob("*"):
        flush(path)
    flush(folder)


def _follow_umask(folder: Path) -> None:
    """Give all files in a folder the permissions of a new file there.

    safetensors creates files that only their owner may read.
    """
    probe = folder / ".permissions"  # os.umask cannot be read without being set, for all threads
    probe.touch()
    usual = stat.S_IMODE(probe.stat().st_mode)
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file() and stat.S_IMODE(path.stat().st_mode) != usual:
            with contextlib.suppress(PermissionError):  # some file systems have no permissions
                path.chmod(usual)
