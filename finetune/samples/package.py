"""Describe a published package that a sample is taken from."""

import hashlib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Package:
    """Name one archive on a package index by version and hash, and the files of it that are used.

    Args:
        name: The name of the package on the index.
        version: The version of the package.
        kind: Whether the archive is a source distribution or a wheel.
        sha256: The SHA-256 of the archive, in hexadecimal digits.
        licence: The SPDX name of the licence of what is used, as the archive itself states it.
        members: Patterns (fnmatch) of the files that are used; each must match at least one member of the archive.
            Without any pattern, the archive itself is kept, unopened.
    """

    name: str
    version: str
    kind: Literal["sdist", "wheel"]
    sha256: str
    licence: str
    members: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} {self.version}"

    @property
    def folder_name(self) -> str:
        """Return a name for the folder that holds the files: another archive or other files have another name."""
        content = "\n".join((self.sha256, *self.members))
        return f"{self.name}-{self.version}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
