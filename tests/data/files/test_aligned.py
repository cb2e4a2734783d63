"""Line-aligned files belong together by their common start, packed or not."""

from pathlib import Path

import pytest

from finetune.data.fields import Field
from finetune.data.files.aligned import aligned_names, aligned_starts, can_be_aligned, expected_names, missing_file

PAIRS = (Field("source", "text", "en"), Field("target", "text", "de"))
LABELLED = (Field("text", "text", "text"), Field("label", "label", "label"))
ALONE = (Field("text", "text", "text"),)


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("fields", "can"), [(PAIRS, True), (LABELLED, False), (ALONE, False), ((*ALONE, *ALONE), False)]
)
def test_two_columns_of_text_can_be_aligned(fields: tuple[Field, ...], can: bool) -> None:
    assert can_be_aligned(fields) == can
    assert ("line-aligned" in expected_names("train", fields)) == can


def test_names_are_those_of_the_columns_in_their_order() -> None:
    assert aligned_names("train", PAIRS) == "line-aligned files train.en and train.de"
    assert expected_names("train", PAIRS) == "a file, or line-aligned files train.en and train.de"


def test_a_start_has_a_file_for_every_column(tmp_path: Path) -> None:
    touch(tmp_path, "b.de", "b.en", "a.x.en", "a.x.de.gz", "half.en", "other.fr", ".en")
    assert aligned_starts(tmp_path, PAIRS) == {
        "a.x": (tmp_path / "a.x.en", tmp_path / "a.x.de.gz"),
        "b": (tmp_path / "b.en", tmp_path / "b.de"),
    }
    assert list(aligned_starts(tmp_path, PAIRS)) == ["a.x", "b"]


def test_there_are_none_in_what_is_no_folder_and_for_fields_that_are_no_texts(tmp_path: Path) -> None:
    touch(tmp_path, "a.text", "a.label")
    assert aligned_starts(tmp_path / "none", PAIRS) == {}
    assert aligned_starts(tmp_path, LABELLED) == {}


def test_a_file_that_is_missing_is_told_with_those_there_are(tmp_path: Path) -> None:
    touch(tmp_path, "train.en.gz", "train.fr", "training.de")
    error = missing_file(tmp_path / "train", "data.path", PAIRS)
    assert error is not None
    assert error.problem == f"there is no file {tmp_path / 'train.de'}"
    assert error.where == f"data.path={tmp_path / 'train'}"
    assert error.found == "train.en.gz, train.fr"
    assert error.fix == "a translation task names the languages by task.source and task.target"


@pytest.mark.parametrize("names", [["train.en", "train.de.gz"], ["training.en"], []])
def test_nothing_is_missing_where_all_files_or_none_are_there(tmp_path: Path, names: list[str]) -> None:
    assert missing_file(touch(tmp_path, *names) / "train", "data.path", PAIRS) is None
    assert missing_file(tmp_path / "none" / "train", "data.path", PAIRS) is None


def test_one_text_a_row_lacks_no_file(tmp_path: Path) -> None:
    assert missing_file(touch(tmp_path, "train.text") / "train", "data.path", ALONE) is None
