"""Folders of save_to_disk."""

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))


def saved(count: int = 20) -> Dataset:
    features = Features(text=Value("string"), label=ClassLabel(names=["neg", "pos"]))
    return Dataset.from_dict({"text": list("ab") * (count // 2), "label": [0, 1] * (count // 2)}, features)


def read(path: Path, **options: str) -> LoadedData:
    return load_data(Data.model_validate({"path": str(path), **options}), FIELDS)


def test_a_saved_data_set_is_read_with_its_class_names(tmp_path: Path) -> None:
    saved().save_to_disk(tmp_path / "one")
    found = read(tmp_path / "one")
    assert found.labels == {"label": ("neg", "pos")}
    assert {(row["text"], row["label"]) for row in found.train.to_list()} == {("a", "neg"), ("b", "pos")}


def test_the_splits_of_a_saved_dictionary_are_found(tmp_path: Path) -> None:
    DatasetDict(train=saved(), validation=saved(4), test=saved(6)).save_to_disk(tmp_path / "all")
    found = read(tmp_path / "all")
    assert (len(found.train), len(found.dev), len(found.test)) == (20, 4, 6)


def test_a_split_may_be_named_alone(tmp_path: Path) -> None:
    saved().save_to_disk(tmp_path / "one")
    saved(4).save_to_disk(tmp_path / "two")
    found = read(tmp_path / "one", dev_path=str(tmp_path / "two"), test_path=str(tmp_path / "two"))
    assert (len(found.train), len(found.dev)) == (20, 4)


def test_a_damaged_one_is_told(tmp_path: Path) -> None:
    saved().save_to_disk(tmp_path / "one")
    next((tmp_path / "one").glob("*.arrow")).write_bytes(b"nothing")
    with pytest.raises(UserError, match="the saved data set cannot be read"):
        read(tmp_path / "one")
