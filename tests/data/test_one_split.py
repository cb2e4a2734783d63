"""One split alone, for a trained model."""

from pathlib import Path

import pytest

from finetune.data import LoadedData
from finetune.data.one_split import load_one_split
from finetune.errors import UserError
from finetune.recipe import Data
from tests.data.test_loading import FIELDS, write


def read(path: Path, split: str = "test", **options: object) -> LoadedData:
    return load_one_split(Data.model_validate({"path": str(path), "labels": ["1", "2"], **options}), FIELDS, split)


def test_all_rows_of_a_file_are_the_split(tmp_path: Path) -> None:
    path = write(tmp_path, "mine", ["1", "2"] * 5)
    loaded = read(path)
    assert loaded.train.to_list() == loaded.dev.to_list() == loaded.test.to_list()
    assert loaded.test["id"][:] == list(range(10))


@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_the_split_of_a_folder(tmp_path: Path, split: str) -> None:
    for name in ("train", "dev", "test"):
        write(tmp_path, name, ["1", "2"])
    assert read(tmp_path, split).test["text"][:] == [f"{split} 0", f"{split} 1"]


def test_a_folder_without_a_train_split(tmp_path: Path) -> None:
    write(tmp_path, "test", ["1", "2"])
    assert read(tmp_path).test["text"][:] == ["test 0", "test 1"]
    with pytest.raises(UserError, match="the folder holds no train split"):
        read(tmp_path, "train")
    with pytest.raises(UserError, match="the folder holds no dev split"):
        read(tmp_path, "dev")


def test_the_file_of_a_split_beside_a_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder", "train", ["1"])
    path = write(tmp_path, "other", ["2", "1", "2"])
    assert len(read(tmp_path / "folder", test_path=str(path)).test) == 3


def test_sources_are_joined_without_weights(tmp_path: Path) -> None:
    paths = [write(tmp_path, name, ["1", "2"]) for name in ("a", "b")]
    sources = [{"path": str(path), "weight": weight} for path, weight in zip(paths, (1, 7), strict=True)]
    section = Data.model_validate({"labels": ["1", "2"], "sources": sources})
    loaded = load_one_split(section, FIELDS, "test")
    assert loaded.test["text"][:] == ["a 0", "a 1", "b 0", "b 1"]
    assert loaded.test["id"][:] == [0, 1, 2, 3]


def test_unknown_classes_are_those_of_no_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 label of column 'stars' not in the classes of the model: 3") as caught:
        read(write(tmp_path, "a", ["1", "3"]))
    assert "data.filter" in str(caught.value)


def test_as_many_examples_as_are_asked_for(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, "a", ["1", "2"] * 5), max_test_examples=3).test) == 3
