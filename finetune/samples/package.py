"""`Package`: a published package that sample data is taken from."""

import hashlib
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Package:
    """One archive on a package index, pinned, and the part of it that is used.

    Args:
        name: The package's name on the index.
        version: Its version.
        kind: Whether the archive is a source distribution or a wheel.
        sha256: Hexadecimal SHA-256 of the archive.
        licence: SPDX name of the licence of what is used, as the archive itself states it.
        members: Patterns (fnmatch) of the wanted files; each must match at least one member of the archive. Without
            any, the archive itself is kept, unopened.
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
        """Name, version and 8 digits that change with the archive and with what is taken from it."""
        content = "\n".join((self.sha256, *self.members))
        return f"{self.name}-{self.version}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"
