"""Checksums by which damage to the files of a folder is found."""

import json
import zlib
from pathlib import Path

_BLOCK = 2**22
"""Number of bytes that are read at a time."""
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)


def seal(folder: Path, manifest: Path) -> None:
    """Write the size and the checksum of every file in a folder.

    Args:
        folder: The folder.
        manifest: The JSON file that is written; it is in the folder, and is not listed in itself.
    """
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    own = manifest.relative_to(folder).as_posix()
    figures = {name: file_figures(folder / name) for name in names if name != own}
    manifest.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def is_whole(folder: Path, manifest: Path) -> bool:
    """Return whether every file that a manifest names is there and as it was when the folder was sealed.

    Args:
        folder: The folder that was sealed.
        manifest: The file that `seal` wrote.

    Raises:
        OSError: A file is there and cannot be read (an I/O error, missing permission, too many open files), so that it
            is not known whether the folder is damaged.
    """
    try:
        figures = json.loads(manifest.read_text(encoding="utf-8"))
        if not isinstance(figures, dict) or not figures:
            return False
        return all(file_figures(folder / name) == expected for name, expected in figures.items())
    except (*_MISSING, ValueError, RecursionError):
        return False


def file_figures(path: Path) -> list[int]:
    """Return a file's size in bytes and the CRC-32 of its content."""
    checksum = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            checksum = zlib.crc32(block, checksum)
    return [path.stat().st_size, checksum]
