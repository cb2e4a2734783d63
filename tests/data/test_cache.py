"""The cache gives back what was put into it, and deletes what it made, and nothing of the user's."""

import errno
import json
import os
import time
from pathlib import Path

import pyarrow as pa
import pytest

from finetune.data.cache import prune_cache, read_or_make, translated_errors
from finetune.errors import UserError

NAME = "0123456789abcdef" * 2
OTHER = "fedcba9876543210" * 2


def old_folder(path: Path, file: str = "part.arrow") -> Path:
    """A folder with one file, last used three days ago."""
    (path / file).parent.mkdir(parents=True)
    (path / file).write_bytes(b"x" * 1000)
    long_ago = time.time() - 3 * 24 * 60 * 60
    os.utime(path, (long_ago, long_ago))
    return path


def test_folders_of_the_cache_go_and_those_of_the_user_stay(tmp_path: Path) -> None:
    cache = tmp_path / "features"
    made = old_folder(cache / NAME)
    experiment = old_folder(cache / "experiment1")
    nested = old_folder(cache / OTHER, "results/part.arrow")
    (cache / "notes.txt").write_text("mine")
    prune_cache(cache, (), most_bytes=1)
    assert not made.exists()
    assert experiment.is_dir()
    assert nested.is_dir()
    assert (cache / "notes.txt").is_file()


def test_what_lies_behind_a_link_stays(tmp_path: Path) -> None:
    elsewhere = old_folder(tmp_path / "data")
    cache = tmp_path / "features"
    cache.mkdir()
    (cache / NAME).symlink_to(elsewhere)
    prune_cache(cache, (), most_bytes=1)
    assert (elsewhere / "part.arrow").is_file()
    assert (cache / NAME).is_symlink()


def test_the_users_folders_do_not_count(tmp_path: Path) -> None:
    cache = tmp_path / "features"
    made = old_folder(cache / NAME)
    old_folder(cache / "experiment1")
    prune_cache(cache, (), most_bytes=1500)
    assert made.is_dir()


class Maker:
    """Writes a number into a folder, and counts how often it is asked to."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, folder: Path) -> None:
        self.times += 1
        (folder / "number.json").write_text(str(self.times))


def read(folder: Path) -> int:
    found: int = json.loads((folder / "number.json").read_text())
    return found


def test_a_folder_is_made_once_and_then_read(tmp_path: Path) -> None:
    maker = Maker()
    assert [read_or_make(tmp_path / "rows" / NAME, maker, read) for _ in range(3)] == [1, 1, 1]
    assert maker.times == 1


@pytest.mark.parametrize(
    "error",
    [ValueError("form"), KeyError("key"), TypeError("type"), pa.ArrowInvalid("arrow"), FileNotFoundError("gone")],
)
def test_content_of_another_form_is_made_anew_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    maker, errors = Maker(), [error]
    read_or_make(tmp_path / NAME, maker, read)

    def fail_once(folder: Path) -> int:
        if errors:
            raise errors.pop()
        return read(folder)

    assert read_or_make(tmp_path / NAME, maker, fail_once) == 2
    assert f"the cached folder {tmp_path / NAME} cannot be read ({type(error).__name__}" in caplog.text
    assert "its content is made anew" in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("error", [UserError("mine"), PermissionError("denied"), OSError(errno.EIO, "disk")])
def test_what_does_not_show_damage_deletes_nothing(tmp_path: Path, error: Exception) -> None:
    maker = Maker()
    read_or_make(tmp_path / NAME, maker, read)

    def fail(folder: Path) -> int:
        raise error

    with pytest.raises(type(error)):
        read_or_make(tmp_path / NAME, maker, fail)
    assert read_or_make(tmp_path / NAME, maker, read) == 1


def test_content_that_cannot_be_read_when_it_is_new_is_a_fault_of_the_program(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_or_make(tmp_path / NAME, lambda made: None, read)


def test_errors_of_the_file_system_name_the_file_and_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "rows.arrow"
    with pytest.raises(UserError, match="the cache cannot be used") as caught, translated_errors(tmp_path):
        raise PermissionError(errno.EACCES, "Permission denied", str(file))
    assert (caught.value.where, caught.value.found) == (str(file), "PermissionError: Permission denied")
    assert "FINETUNE_CACHE=..." in str(caught.value.fix)
    with pytest.raises(UserError) as caught, translated_errors(tmp_path):
        raise OSError("Error writing bytes to file")
    assert (caught.value.where, caught.value.found) == (str(tmp_path), "OSError: Error writing bytes to file")


def test_a_folder_that_cannot_be_listed_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "features"
    made, hidden = old_folder(cache / NAME), old_folder(cache / OTHER)
    list_folder = Path.iterdir

    def listed(path: Path) -> object:
        if path == hidden:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return list_folder(path)

    monkeypatch.setattr(Path, "iterdir", listed)
    prune_cache(cache, (), most_bytes=1)
    assert not made.exists()
    assert hidden.exists()
