"""Takes wanted files out of a tar or zip archive without trusting it.

Only the bytes of regular files are copied, to paths that are checked to lie inside the folder; links, devices,
permissions and owners are never created, so nothing an archive holds can reach past the folder.
"""

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from finetune.errors import UserError


def unpack(archive: Path, patterns: Sequence[str], folder: Path) -> None:
    """Write the files of `archive` that match one of `patterns` below `folder`, under their own names.

    Raises:
        UserError: A wanted member points outside the folder or is no regular file, or a pattern matches nothing.
    """
    open_files = _zip_files if archive.suffix in (".whl", ".zip") else _tar_files
    missing = set(patterns)
    for name, content in open_files(archive, patterns):
        missing -= {pattern for pattern in missing if fnmatchcase(name, pattern)}
        path = _inside(folder, name, archive)
        path.parent.mkdir(parents=True, exist_ok=True)
        with content, path.open("xb") as file:
            shutil.copyfileobj(content, file)
    if missing:
        raise UserError("an archive lacks what is wanted from it", expected=min(missing), where=archive.name)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _tar_files(archive: Path, patterns: Sequence[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isdir() or not _matches(member.name, patterns):
                continue
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                raise _refusal(archive, member.name, "a link or a device")
            yield member.name, content


def _zip_files(archive: Path, patterns: Sequence[str]) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            if member.is_dir() or not _matches(member.filename, patterns):
                continue
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
                raise _refusal(archive, member.filename, "a link or a device")
            yield member.filename, file.open(member)


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """Return the path for member `name`; a backslash or a colon would be a separator or a drive on Windows."""
    relative = PurePosixPath(name)
    path = folder / relative
    if (
        relative.is_absolute()
        or ".." in relative.parts
        or any(character in name for character in "\\:")
        or not path.resolve().is_relative_to(folder.resolve())
    ):
        raise _refusal(archive, name, "a path that leads outside the archive")
    return path


def _refusal(archive: Path, name: str, reason: str) -> UserError:
    return UserError(
        "an archive was refused; nothing of it is kept",
        where=archive.name,
        expected="regular files inside the archive's own folder",
        found=f"{name!r}, {reason}",
    )
