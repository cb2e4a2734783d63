"""Equal weights are on the disk once, and nothing else is linked."""

import os
from pathlib import Path

import pytest

from finetune.checkpointing.links import link_weights


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    return tmp_path / "one", tmp_path / "other"


def test_equal_weights_become_one_file(folders: tuple[Path, Path]) -> None:
    one, other = folders
    for folder in folders:
        (folder / "model.safetensors").write_bytes(b"1234")
    assert link_weights(one, other) == 4
    assert (one / "model.safetensors").samefile(other / "model.safetensors")
    assert link_weights(one, other) == 0, "linked before"
    assert [path.name for path in one.iterdir()] == ["model.safetensors"]


def test_other_weights_and_other_files_stay_apart(folders: tuple[Path, Path]) -> None:
    one, other = folders
    for folder in folders:
        (folder / "model.safetensors").write_text(folder.name[:3].ljust(3))
        (folder / "config.json").write_text("{}")
    (one / "alone.safetensors").write_text("x")
    assert link_weights(one, other) == 0
    assert (one / "model.safetensors").read_text() == "one"
    assert (other / "model.safetensors").read_text() == "oth"
    assert not (one / "config.json").samefile(other / "config.json")


def test_without_hard_links_both_copies_stay(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError("no hard links here")

    for folder in folders:
        (folder / "model.safetensors").write_bytes(b"1234")
    monkeypatch.setattr(os, "link", refused)
    assert link_weights(*folders) == 0
    assert all((folder / "model.safetensors").read_bytes() == b"1234" for folder in folders)
