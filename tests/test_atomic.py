"""Files and folders that are written aside appear whole or not at all."""

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune import atomic


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_at_the_end_of_the_block(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    with atomic.written_aside(path) as written:
        written.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["results.json"]


def test_after_an_error_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    atomic.write_text(path, "old")
    with pytest.raises(UnicodeEncodeError), atomic.written_aside(path) as written:
        written.write_text("half \ud800", encoding="utf-8")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["results.json"]


@pytest.mark.parametrize(("keep_existing", "expected"), [(True, ["old"]), (False, ["new"])])
def test_a_folder_replaces_the_one_that_was_there_or_gives_way(
    tmp_path: Path, keep_existing: bool, expected: list[str]
) -> None:
    path = tmp_path / "model"
    for name in ("old", "new"):
        with atomic.written_aside(path, keep_existing=keep_existing) as written:
            written.mkdir()
            (written / name).touch()
    assert names(path) == expected
    assert names(tmp_path) == ["model"]


def test_a_folder_that_cannot_be_put_in_place_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("a file")
    with pytest.raises(NotADirectoryError), atomic.written_aside(tmp_path / "model", keep_existing=True) as written:
        written.mkdir()
    assert (tmp_path / "model").read_text() == "a file"


def test_all_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, flushed = tmp_path / "model", set[Path]()

    def fsync(number: int) -> None:
        target = Path(f"/proc/self/fd/{number}").readlink()
        assert path.exists() == (target == tmp_path)
        flushed.add(target)

    monkeypatch.setattr(os, "fsync", fsync)
    with atomic.written_aside(path) as written:
        (written / "state").mkdir(parents=True)
        (written / "state" / "a.bin").touch()
    assert flushed == {written, written / "state", written / "state" / "a.bin", tmp_path}


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_permissions_of_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        atomic.write_text(tmp_path / "results.json", "{}")
        with atomic.written_aside(tmp_path / "model") as written:
            written.mkdir()
            (written / "model.safetensors").touch(mode=0o640)
    finally:
        os.umask(before)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} == {"results.json", "model.safetensors"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {mode}


def test_all_of_a_folder_is_flushed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(Path(f"/proc/self/fd/{number}").readlink()))
    folder = tmp_path / "folder"
    (folder / "inside").mkdir(parents=True)
    (folder / "inside" / "a.bin").touch()
    atomic.flush_tree(folder)
    assert set(flushed) == {folder, *folder.rglob("*")}


def test_file_systems_that_flush_no_folders_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(number: int) -> Callable[[int], None]:
        def fsync(_: int) -> None:
            raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", fails(errno.EINVAL))
    atomic.flush(tmp_path)
    monkeypatch.setattr(os, "fsync", fails(errno.EIO))
    with pytest.raises(OSError, match="error"):
        atomic.flush(tmp_path)
