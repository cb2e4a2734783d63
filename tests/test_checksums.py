"""Damage to any file of a sealed folder is found."""

import errno
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune import checksums


def flip(path: Path) -> None:
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.write_bytes(damaged)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [flip, truncate, empty, Path.unlink]


def sealed(folder: Path) -> Path:
    (folder / "inside").mkdir(parents=True)
    for name in ("a.bin", "inside/b.bin"):
        (folder / name).write_bytes(os.urandom(100))
    checksums.seal(folder, folder / "inside" / "manifest.json")
    return folder / "inside" / "manifest.json"


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["a.bin", "inside/b.bin", "inside/manifest.json"])
def test_damage_to_any_file_is_found(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    folder = tmp_path / "folder"
    manifest = sealed(folder)
    assert checksums.is_whole(folder, manifest)
    damage(folder / name)
    assert not checksums.is_whole(folder, manifest)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(deadline=None, max_examples=50)
@given(content=st.binary(max_size=30) | JSON.map(repr).map(str.encode) | st.just(b"[" * 100_000))
def test_a_manifest_of_anything_else_is_damage(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("sealed") / "folder"
    manifest = sealed(folder)
    manifest.write_bytes(content)
    assert not checksums.is_whole(folder, manifest)


def test_what_cannot_be_read_is_not_taken_for_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "folder"
    manifest = sealed(folder)
    original = io.open

    def fails(path: Any, *arguments: Any, **options: Any) -> Any:
        if str(path).endswith("b.bin"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return original(path, *arguments, **options)

    monkeypatch.setattr(io, "open", fails)
    with pytest.raises(OSError, match="error"):
        checksums.is_whole(folder, manifest)
