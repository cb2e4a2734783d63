"""A test split without labels is predicted and not scored; any label in it makes it an ordinary one."""

from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Value
from datasets import Features as Schema

from finetune.data import Field, LoadedData, load_data
from finetune.data.fields import FieldKind
from finetune.data.rows import Rows
from finetune.data.unlabelled import fields_by_split, unlabelled_note
from finetune.errors import UserError
from finetune.recipe import Data
from tests.data.labelled import CLASSES, SPLITS, loaded, write

TEXT = Field("text", "text", "text")
LABEL = Field("label", "label", "label")


def held(train: list[Any], test: list[Any], kind: FieldKind = "label", names: tuple[str, ...] = ()) -> list[str]:
    rows = {split: Rows(split, {"text": ["t"] * len(labels), "label": labels})
            for split, labels in {"train": train, "test": test}.items()}  # fmt: skip
    found = fields_by_split(rows, [TEXT, Field("label", kind, "label")], names)
    assert [field.name for field in found["train"]] == ["text", "label"]
    return [field.name for field in found["test"]]


@pytest.mark.parametrize("kind", ["label", "label_list", "number"])
@pytest.mark.parametrize("test", [[None, ""], ["-1", -1, -1.0], [" ", float("nan")], [None, "-1"]])
def test_labels_that_are_all_empty_or_minus_one_are_none(test: list[Any], kind: FieldKind) -> None:
    assert held(["a", "b"], test, kind) == ["text"]


@pytest.mark.parametrize("test", [["", "a"], [[], []], [0, -1], ["-10"], []])
def test_one_label_is_enough(test: list[Any]) -> None:
    assert held(["a", "b"], test) == ["text", "label"]


def test_minus_one_is_a_class_where_train_or_the_recipe_has_it() -> None:
    assert held(["-1", "1"], ["-1"]) == ["text", "label"]
    assert held([-1.0, 1.0], ["-1"]) == ["text", "label"]
    assert held(["1"], ["-1"], names=("-1", "1")) == ["text", "label"]
    assert held(["1"], ["-1"], names=("0", "1")) == ["text"]


def test_labels_of_words_and_splits_without_a_test_part_stay() -> None:
    assert held([["O"]], [None], "word_labels") == ["text", "label"]
    rows = {"train": Rows("train", {"text": ["t"], "label": [None]})}
    assert fields_by_split(rows, [TEXT, LABEL], ()) == {"train": (TEXT, LABEL)}


def test_the_note_says_how_many_rows_and_where_they_are() -> None:
    note = unlabelled_note({"test": Rows("test.csv", {"text": ["t"]})})
    assert note.startswith("no label in any of 1 row of the test split (test.csv)")
    assert "data.splits.test=null" in note


@pytest.mark.parametrize("missing", ["-1", "", "-1.0"])
def test_a_file_without_labels_is_an_unlabelled_test_split(tmp_path: Path, missing: str) -> None:
    found = loaded(tmp_path, train=["0", "1"], test=[missing] * 3)
    assert found.test.column_names == ["id", "text"]
    assert found.labels["label"] == ("0", "1")
    assert any("no label in any of 3 rows of the test split" in note for note in found.notes)


def test_class_numbers_of_minus_one_are_no_labels(tmp_path: Path) -> None:
    schema = Schema({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})
    for split in SPLITS:
        rows = [{"text": f"{split} {number}", "label": -1 if split == "test" else number} for number in (0, 1)]
        Dataset.from_list(rows, schema).to_parquet(tmp_path / f"{split}.parquet")
    found: LoadedData = load_data(Data(path=str(tmp_path)), CLASSES)
    assert found.train["label"][:] == ["neg", "pos"]
    assert "label" not in found.test.column_names


def test_a_dev_split_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no row has a label"):
        loaded(tmp_path, train=["0", "1"], dev=["", ""])


def test_sources_with_and_without_test_labels_are_not_mixed(tmp_path: Path) -> None:
    for name, test in (("a", ["0", "1"]), ("b", ["-1", "-1"])):
        (tmp_path / name).mkdir()
        for split in SPLITS:
            write(tmp_path / name, split, test if split == "test" else ["0", "1"])
    sources = [{"path": str(tmp_path / name)} for name in ("a", "b")]
    with pytest.raises(UserError, match="some sources have a test split with labels, and others one without"):
        load_data(Data.model_validate({"sources": sources}), CLASSES)
