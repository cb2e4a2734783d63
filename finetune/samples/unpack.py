"""Copy wanted files out of a tar or zip archive that is not trusted.

Only the bytes of regular files are copied, to paths that are checked to lie inside the folder. Links, devices,
permissions and owners are never created, so that nothing in an archive can reach past the folder.
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
    """Write the files of an archive that match a pattern into a folder, under their own names.

    Args:
        archive: The path of a wheel, a zip file or a tar file, compressed or not.
        patterns: Patterns (fnmatch) of the names of wanted files; each must match a file.
        folder: The folder that the files are written to.

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
    """Return whether a name matches one of the patterns."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _tar_files(archive: Path, patterns: Sequence[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the names and the open contents of the wanted files of a tar file."""
    with tarfile.open(archive) as tar:
        for member in tar:
            if member.isdir() or not _matches(member.name, patterns):
                continue
            content = tar.extractfile(member) if member.isfile() else None
            if content is None:
                raise _refusal(archive, member.name, "a link or a device")
            yield member.name, content


def _zip_files(archive: Path, patterns: Sequence[str]) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the names and the open contents of the wanted files of a zip file."""
    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            if member.is_dir() or not _matches(member.filename, patterns):
                continue
            if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
                raise _refusal(archive, member.filename, "a link or a device")
            yield member.filename, file.open(member)


def _inside(folder: Path, name: str, archive: Path) -> Path:
    """Return the path in the folder of the member `name`.

    Raises:
        UserError: The name leads out of the folder, or has a backslash or a colon: a separator or a drive on Windows.
    """
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
    """Return the error for a member that is not copied, and for whose sake the whole archive is refused."""
    return UserError(
        "an archive was refused; nothing of it is kept",
        where=archive.name,
        expected="regular files inside the archive's own folder",
        found=f"{name!r}, {reason}",
    )
