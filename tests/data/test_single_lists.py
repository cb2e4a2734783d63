"""Lists of one class, as annotation tools export them, where one class is asked for."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from finetune.data import Field, load_data
from finetune.data.rows import Rows
from finetune.data.single_lists import are_lists_of_one, as_single_values, single_note
from finetune.errors import UserError
from finetune.recipe import Data

TEXT = Field("text", "text", "text")
CLASS = Field("label", "label", "label")
OPEN = Field("label", "label", "label", is_open=True)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([["a"], ["b"]], True),
        ([["a"], [], None], True),
        ([("a",)], True),
        ([["a"], ["a", "b"]], False),
        ([["a"], "b"], False),
        (["a", "b"], False),
        ([None, None], False),
        ([], False),
    ],
)
def test_every_row_holds_a_list_of_at_most_one(values: list[Any], expected: bool) -> None:
    assert are_lists_of_one([values], CLASS) == expected
    assert are_lists_of_one([[["c"]], values], CLASS) == (expected or values in ([], [None, None]))


def test_columns_of_arrow() -> None:
    assert are_lists_of_one([pa.chunked_array([[["a"], None]])], CLASS)
    assert not are_lists_of_one([pa.chunked_array([["a", "b"]])], CLASS)


@pytest.mark.parametrize("field", [OPEN, Field("label", "label_list", "label"), Field("tokens", "words", "label")])
def test_lists_are_lists_where_several_labels_may_be_meant(field: Field) -> None:
    assert not are_lists_of_one([[["a"], ["b"]]], field)


def test_each_list_becomes_its_only_value() -> None:
    rows = Rows("my.json", {"label": [["a"], ("b",), [], None]}, numbers=[3, 4, 5, 6])
    single = as_single_values(rows, CLASS)
    assert single.columns["label"] == ["a", "b", None, None]
    assert single.where([2]) == "my.json, row 5 (counted from 0)"


def test_class_numbers_keep_their_names() -> None:
    rows = Rows("mine", {"label": pa.chunked_array([[[0], [1]]])}, class_names={"label": ("bad", "good")})
    single = as_single_values(rows, CLASS)
    assert (single.columns["label"], single.class_names) == ([0, 1], {"label": ("bad", "good")})


def write(folder: Path, labels: list[Any]) -> str:
    for split in ("train", "dev", "test"):
        rows = [{"text": f"{split} {number}", "label": label} for number, label in enumerate(labels)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder)


def test_a_file_with_such_lists_is_read_and_a_note_says_how(tmp_path: Path) -> None:
    found = load_data(Data(path=write(tmp_path, [["pos"], ["neg"]])), (TEXT, CLASS))
    assert found.train["label"][:] == ["pos", "neg"]
    assert single_note("label") in found.notes
    assert single_note("label") == "column 'label' holds lists of one class, which are read as that class"


def test_an_empty_list_is_a_row_without_a_label(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 row without a label in column 'label'") as caught:
        load_data(Data(path=write(tmp_path, [["pos"], []])), (TEXT, CLASS))
    assert "train.jsonl, line 2" in str(caught.value)
