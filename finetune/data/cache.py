"""Folders of a cache. Each is whole or not there, is checked when it is read, and is deleted if it is not used."""

import contextlib
import logging
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TypeVar

from finetune import atomic, checksums
from finetune.errors import UserError

logger = logging.getLogger(__name__)

_IN_USE = 24 * 60 * 60.0
"""Seconds after the last use of a folder within which a run may still read it."""
_NAME = re.compile(r"[0-9a-f]{32}")
"""A folder of the cache is named by the hash of what its content depends on, 16 bytes in hexadecimal digits."""

_CHECKSUMS = "checksums.json"
_UNREADABLE = (ValueError, LookupError, TypeError, FileNotFoundError)
"""What reading raises where a folder's content is not of the form that it has now, or where it was deleted meanwhile.
Arrow's errors and those of JSON are of ValueError, missing columns and keys of LookupError."""

ContentT = TypeVar("ContentT")


def read_or_make(folder: Path, make: Callable[[Path], object], read: Callable[[Path], ContentT]) -> ContentT:
    """Return what a folder of the cache holds; it is made first where it is missing, damaged or of another form.

    Args:
        folder: The folder.
        make: Fills a new folder, which then takes the place of `folder`.
        read: Returns what a folder holds.

    Raises:
        OSError: The cache cannot be read or written.
    """
    if holds(folder):
        try:
            return read(folder)
        except _UNREADABLE as error:
            _discard(folder, f"cannot be read ({type(error).__name__}: {error})")
    with filled(folder) as made:
        make(made)
    return read(folder)


@contextlib.contextmanager
def translated_errors(folder: Path) -> Iterator[None]:
    """Raise `UserError` in place of the file system's errors in a block that works with the cache alone.

    Args:
        folder: The cache, for errors that name no file.

    Raises:
        UserError: The cache cannot be read or written.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            "the cache cannot be used",
            where=str(error.filename2 or error.filename or folder),  # of a rename the second is the one meant
            expected="a file or folder that may be read and written",
            found=f"{type(error).__name__}: {error.strerror or error}",
            fix="set its permissions, or delete it, and it is made anew; FINETUNE_CACHE=... names another cache folder",
        ) from error


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[Path]:
    """Yield a new folder to fill in this block, which then takes its place in the cache; after an error it is deleted.

    All files in it are on the disk before it has its name there, and their checksums are written beside them.

    Args:
        folder: The path that the folder is to have; another process may put the same content there first.

    Raises:
        OSError: The content cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic.written_aside(folder, keep_existing=True) as made:
        made.mkdir()
        yield made
        checksums.seal(made, made / _CHECKSUMS)


def holds(folder: Path) -> bool:
    """Return whether the cache has a folder whose files are as they were written; a damaged one is deleted, and logged.

    Raises:
        OSError: A file cannot be read, or a damaged folder cannot be deleted.
    """
    if not folder.is_dir():
        return False
    if checksums.is_whole(folder, folder / _CHECKSUMS):
        return True
    _discard(folder, "is damaged")
    return False


def _discard(folder: Path, reason: str) -> None:
    logger.warning("the cached folder %s %s: it is deleted, and its content is made anew", folder, reason)
    with contextlib.suppress(FileNotFoundError), atomic.folder_aside(folder.parent) as doomed:
        folder.rename(doomed / folder.name)


def prune_cache(folder: Path, keep: Collection[str], most_bytes: int) -> None:
    """Delete the longest unused of the cache's folders in `folder` until what is left of them is small enough.

    Only folders that the cache has made are counted and deleted. Other files and folders, and links, are the user's.

    Args:
        folder: The cache; the time of change of each folder in it is that of its last use.
        keep: Names of folders that stay; so do all that were used within a day.
        most_bytes: How many bytes the cache's folders may have together.
    """
    used = {path: path.stat().st_mtime for path in folder.iterdir() if _is_of_the_cache(path)}
    sizes = {path: sum(file.stat().st_size for file in path.iterdir()) for path in used}
    excess = sum(sizes.values()) - most_bytes
    for path in sorted(used, key=used.__getitem__):
        if excess <= 0:
            break
        if path.name not in keep and time.time() - used[path] > _IN_USE:
            shutil.rmtree(path, ignore_errors=True)
            excess -= sizes[path]


def _is_of_the_cache(path: Path) -> bool:
    """Return whether the cache made a folder: it is named by a hash, is no link, and holds nothing but plain files.

    A folder whose files cannot be listed is somebody else's.
    """
    if not _NAME.fullmatch(path.name) or path.is_symlink() or not path.is_dir():
        return False
    try:
        return all(file.is_file() and not file.is_symlink() for file in path.iterdir())
    except OSError:
        return False
