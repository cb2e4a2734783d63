"""The entry points of the checkout that this package runs from, as its pyproject.toml names them today.

An installed package's entry points are read from its metadata. A checkout may not be installed at all (its folder is on
`PYTHONPATH`), or was installed before an entry point was added to its pyproject.toml; the file is then the one source
that is right. A wheel brings no such file, and its metadata are always as new as its code.
"""

import os
import tomllib
from collections.abc import Callable, Iterable
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

DISTRIBUTION = "finetune-masks"
"""The name under which this package is installed."""
_ROOT = Path(__file__).resolve().parents[1]


class Checkout(metadata.Distribution):
    """A checkout, in the form in which `importlib.metadata` describes an installed package.

    Args:
        root: The folder that holds pyproject.toml.
        project: The table `project` of that file.
    """

    def __init__(self, root: Path, project: dict[str, Any]) -> None:
        self.root = root
        self.project = project

    def read_text(self, filename: str) -> str | None:
        """Return the content that a file of the metadata would have; None for those that a checkout has not."""
        if filename == "METADATA":
            return f"Metadata-Version: 2.1\nName: {self.project['name']}\n"
        if filename == "entry_points.txt":
            groups = self.project.get("entry-points", {})
            return "\n".join(line for group, points in groups.items() for line in _lines(group, points))
        return None

    def locate_file(self, path: str | os.PathLike[str]) -> Path:
        """Return where a file of the package lies."""
        return self.root / path


def _lines(group: str, points: dict[str, str]) -> list[str]:
    return [f"[{group}]", *(f"{name} = {value}" for name, value in points.items())]


def read_checkout(root: Path = _ROOT) -> Checkout | None:
    """Return the checkout at a folder; None where the folder has no pyproject.toml of this package."""
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return None  # site-packages, where another package may have left a file of this name
    return Checkout(root, project) if project.get("name") == DISTRIBUTION else None


@cache
def with_checkout(
    installed: Callable[..., Iterable[metadata.EntryPoint]],
) -> Callable[..., list[metadata.EntryPoint]]:
    """Return a function that selects entry points of installed packages and of the checkout.

    Where there is a checkout, its own entry points take the place of those that it was installed with.

    Args:
        installed: `importlib.metadata.entry_points`. The same function gives the same result, which can be the key of
            a cache.
    """
    return partial(_select, installed, read_checkout())


def _select(
    installed: Callable[..., Iterable[metadata.EntryPoint]], checkout: Checkout | None, group: str
) -> list[metadata.EntryPoint]:
    points = list(installed(group=group))
    if checkout is None:
        return points
    others = [point for point in points if point.dist is None or point.dist.name != DISTRIBUTION]
    return [*checkout.entry_points.select(group=group), *others]
