"""Folders of a cache, which may be deleted at any time when nobody uses them."""

import shutil
import time
from collections.abc import Collection
from pathlib import Path

_IN_USE = 24 * 60 * 60.0
"""Seconds after its last use within which a run may still be reading a folder."""


def prune(folder: Path, keep: Collection[str], most_bytes: int) -> None:
    """Delete the longest unused of the folders in `folder` until what is left is small enough.

    Args:
        folder: The cache; the time of change of each folder in it is that of its last use.
        keep: Names of folders that stay; so do all that were used within a day.
        most_bytes: How much may be left.
    """
    used = {path: path.stat().st_mtime for path in folder.iterdir()}
    sizes = {path: sum(file.stat().st_size for file in path.rglob("*")) for path in used}
    excess = sum(sizes.values()) - most_bytes
    for path in sorted(used, key=used.__getitem__):
        if excess <= 0:
            break
        if path.name not in keep and time.time() - used[path] > _IN_USE:
            shutil.rmtree(path, ignore_errors=True)
            excess -= sizes[path]
