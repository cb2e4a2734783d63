from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from finetune.drafting.sources import DataFiles, find_data_files
from finetune.errors import UserError
from tests.drafting.tables import values

NOTHING = (None, None)


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_text("text\tlabel\na\tb\n")


def found(
    path: str | Path, given: Mapping[str, Any] = {}, wanted: tuple[str | None, str | None] = NOTHING
) -> DataFiles:
    return find_data_files(str(path), given, wanted)


def names(files: DataFiles) -> dict[str, list[str]]:
    return {split: [path.name for one in sources for path in one.paths] for split, sources in files.sources.items()}


def test_a_file_alone(tmp_path: Path) -> None:
    write(tmp_path, "reviews.tsv", "others.tsv")
    files = found(tmp_path / "reviews.tsv")
    assert names(files) == {"train": ["reviews.tsv"]}
    assert values(files.keys) == {"data.path": str(tmp_path / "reviews.tsv")}


def test_files_of_the_other_splits_beside_it(tmp_path: Path) -> None:
    write(tmp_path, "my_train.tsv", "my_dev.tsv", "my_test.tsv", "other_dev.tsv", "my_test.json")
    files = found(tmp_path / "my_train.tsv")
    assert names(files) == {"train": ["my_train.tsv"], "dev": ["my_dev.tsv"], "test": ["my_test.tsv"]}
    assert names(found(tmp_path / "my_train.tsv", {"data.test_path": None})).keys() == {"train", "dev"}
    assert names(found(tmp_path / "my_dev.tsv")) == {"train": ["my_dev.tsv"]}


def test_several_files_could_be_a_split(tmp_path: Path) -> None:
    write(tmp_path, "my_train.tsv", "my_dev.tsv", "my_val.tsv")
    with pytest.raises(UserError, match="several files could be the dev split") as raised:
        found(tmp_path / "my_train.tsv")
    assert "data.dev_path=null cuts it from train" in str(raised.value)
    assert names(found(tmp_path / "my_train.tsv", {"data.dev_path": str(tmp_path / "my_val.tsv")}))["dev"] == [
        "my_val.tsv"
    ]


def test_a_folder(tmp_path: Path) -> None:
    write(tmp_path, "train.tsv", "validation.tsv", "notes.txt")
    files = found(tmp_path)
    assert names(files) == {"train": ["train.tsv"], "dev": ["validation.tsv"]}
    assert values(files.keys) == {"data.path": str(tmp_path)}


def test_a_folder_whose_names_have_the_split_inside(tmp_path: Path) -> None:
    write(tmp_path, "a_Training_set.txt", "b_Testing_set.txt", "readme.md")
    files = found(tmp_path)
    assert names(files) == {"train": ["a_Training_set.txt"], "test": ["b_Testing_set.txt"]}
    assert values(files.keys)["data.format"] == "tsv"


def test_a_folder_without_train(tmp_path: Path) -> None:
    write(tmp_path, "a.dev.tsv", "b.test.tsv")
    with pytest.raises(UserError, match="the folder holds no train split") as raised:
        found(tmp_path)
    assert "finetune init" in str(raised.value)
    write(tmp_path, "c_train.tsv", "d_train.tsv")
    with pytest.raises(UserError, match="several files could be the train split"):
        found(tmp_path)


def test_line_aligned_files(tmp_path: Path) -> None:
    write(tmp_path, "train.en", "train.fr", "dev.en", "dev.fr")
    for path in (tmp_path, tmp_path / "train", tmp_path / "train.en"):
        files = found(path)
        assert names(files)["train"] == ["train.en", "train.fr"]
        assert files.pair is not None
        assert files.pair.codes == ("en", "fr")
    assert names(found(tmp_path)).keys() == {"train", "dev"}
    turned = found(tmp_path, wanted=("fr", "en"))
    assert names(turned)["train"] == ["train.fr", "train.en"]
    braces = found(f"{tmp_path}/dev.{{fr,en}}")
    assert names(braces) == {"train": ["dev.fr", "dev.en"]}


def test_a_pattern(tmp_path: Path) -> None:
    write(tmp_path, "a1.tsv", "a2.tsv")
    files = found(f"{tmp_path}/a*.tsv")
    assert names(files) == {"train": ["a1.tsv", "a2.tsv"]}
    assert files.others == 1


@pytest.mark.parametrize("path", ["nowhere.csv", "nowhere/a.csv", "a\0b", "x" * 5000])
def test_paths_of_nothing(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError):
        found(path)
