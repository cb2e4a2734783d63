"""Packages that tests pretend to have installed, by the files that importlib.metadata finds them by."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest

Brings = Callable[..., None]
"""brings("word-count", "finetune.tasks", word_count="word_count:WordCount")"""


def install(folder: Path, name: str, points: Mapping[str, Mapping[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a package with these entry points, by group and name, into a folder and the folder on the path.

    Args:
        folder: Where its modules are.
        name: The package's name.
        points: The object of each entry point, by group and name.
        monkeypatch: Takes the folder from the path again.
    """
    told = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{key} = {one}\n" for key, one in of.items()) for group, of in points.items()]
    (told / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(folder)
    # Entry points are read once in a process, so another function than before must read them.
    monkeypatch.setattr(metadata, "entry_points", partial(metadata.entry_points))


@pytest.fixture
def brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Brings:
    """Pretend that a package is installed: its name, a group, and its entry points of that group."""

    def bring(package: str, group: str, **points: str) -> None:
        install(tmp_path / package, package, {group: points}, monkeypatch)

    return bring
