"""The cache deletes what it made, and nothing of the user's."""

import os
import time
from pathlib import Path

from finetune.data.cache import prune_cache

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
