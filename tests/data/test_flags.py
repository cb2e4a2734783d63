"""Lists of nothing but 0 and 1, all of one length, hold a flag for each label."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, List, Value
from datasets import Features as Schema

from finetune.data import Field, LoadedData, batched, load_data
from finetune.errors import UserError
from finetune.recipe import Data

TEXT = Field("text", "text", "text")
OPEN = Field("label", "label", "label", is_open=True)
LISTS = Field("label", "label_list", "label")


def loaded(folder: Path, answers: list[Any], field: Field = OPEN, **options: Any) -> LoadedData:
    rows = [{"text": f"text {number}", "label": label} for number, label in enumerate(answers)]
    for split in ("train", "dev", "test"):
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_data(Data.model_validate({"path": str(folder), **options}), [TEXT, field])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched.batched, "__defaults__", (2,))
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("field", [OPEN, LISTS])
@pytest.mark.parametrize(
    "labels",
    [
        [[0, 1, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], None],
        [[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0], None],
        [[False, True, True, False], [True, False, False, False], [False, False, False, False], None],
        [["0", "1", "1", "0"], ["1", "0", "0", "0"], ["0", "0", "0", "0"], None],
        ["[0 1 1 0]", "[1, 0, 0, 0]", "[0. 0. 0. 0.]", ""],
    ],
    ids=["int", "float", "bool", "text", "cells"],
)
def test_flags_are_labels(labels: list[Any], field: Field, streaming: bool, tmp_path: Path) -> None:
    found = loaded(tmp_path, labels, field, streaming=streaming)
    assert found.train["label"][:] == [["1", "2"], ["0"], [], []]
    assert found.labels == {"label": ("0", "1", "2", "3")}
    assert any("lists of 4 numbers, 0 or 1: a flag for each of 4 labels" in note for note in found.notes)
    named = loaded(tmp_path, labels, field, streaming=streaming, labels=["toxic", "rude", "spam", "odd"])
    assert named.train["label"][:] == [["rude", "spam"], ["toxic"], [], []]
    assert named.labels == {"label": ("toxic", "rude", "spam", "odd")}


def test_flags_in_one_text(tmp_path: Path) -> None:
    assert loaded(tmp_path, ["0,1,1", "1, 0, 0"], LISTS).train["label"][:] == [["1", "2"], ["0"]]


@pytest.mark.parametrize(
    "labels", [[[0], [1]], [[0, 1], [1]], [[0, 1], [1, 2]], [["0", "1"], ["1", "0"]], [[], []]], ids=str
)
def test_other_lists_are_names_of_labels(labels: list[Any], tmp_path: Path) -> None:
    expected = [[str(label) for label in row] for row in labels]
    assert loaded(tmp_path, labels).train["label"][:] == expected


def test_flags_of_parquet(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        column = pa.array([[0, 1], [1, 1]], pa.list_(pa.int8(), 2))
        pq.write_table(pa.table({"text": ["a", "b"], "label": column}), tmp_path / f"{split}.parquet")
    assert load_data(Data(path=str(tmp_path)), [TEXT, OPEN]).train["label"][:] == [["1"], ["0", "1"]]


@pytest.mark.parametrize("streaming", [False, True])
def test_numbers_of_named_classes_are_no_flags(streaming: bool, tmp_path: Path) -> None:
    schema = Schema({"text": Value("string"), "label": List(ClassLabel(names=["no", "yes"]))})
    for split in ("train", "dev", "test"):
        rows = [{"text": "a", "label": [0, 1]}, {"text": "b", "label": [1, 0]}]
        Dataset.from_list(rows, schema).to_parquet(tmp_path / f"{split}.parquet")
    found = load_data(Data(path=str(tmp_path), streaming=streaming), [TEXT, OPEN])
    assert found.train["label"][:] == [["no", "yes"], ["yes", "no"]]


def test_another_number_of_names_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds a 0 or a 1 for each of 3 labels, and 2 are named"):
        loaded(tmp_path, [[0, 1, 1], [1, 0, 0]], labels=["toxic", "rude"])


def test_streamed_rows_of_another_form_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 row of another form in column 'label'") as caught:
        loaded(tmp_path, [[0, 1, 1], [1, 0, 0], [0, 1]], streaming=True)
    assert caught.value.where is not None
    assert "line 3" in caught.value.where
