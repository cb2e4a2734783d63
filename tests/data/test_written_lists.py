"""Lists in cells of tables are read as lists, and never as words or labels with brackets and quotes."""

import csv
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data import Field, LoadedData, batched, load_data
from finetune.data.written_lists import parse_list
from finetune.errors import UserError
from finetune.recipe import Data
from finetune.serve.examples import InputRow, read_example

LABEL = (Field("text", "text", "text"), Field("label", "label", "label", is_open=True))
CLASS = (Field("text", "text", "text"), Field("label", "label", "label"))
LABELS = (Field("text", "text", "text"), Field("label", "label_list", "label"))
WORDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("['a', \"it's\"]", ["a", "it's"]),
        ('["a", "\\u00e9"]', ["a", "é"]),
        ("['a' 'b'\n 'c']", ["a", "b", "c"]),
        ("[0 1 2]", [0, 1, 2]),
        ("[1. 0.]", [1.0, 0.0]),
        ("[True, None]", [True, None]),
        ("[ True False]", [True, False]),
        ("[np.str_('a'), np.int64(3)]", ["a", 3]),
        ("('a', 'b')", ["a", "b"]),
        ("('a',)", ["a"]),
        ("{'a'}", ["a"]),
        ('{"choices": ["a", "b"]}', ["a", "b"]),
        ("[]", []),
        ("['a\\'b', '\\\\']", ["a'b", "\\"]),
    ],
)
def test_lists_as_pandas_numpy_json_and_label_studio_write_them(text: str, items: list[Any]) -> None:
    assert parse_list(text) == items


@pytest.mark.parametrize(
    "text",
    ["[a, b]", "[PAD]", "(1)", "(fun)", "['a''b']", "['a' 'b', 'c']", "[0 1 ... 8]", "[ 1 ] x ]", "{'a': 1}", "[,]",
     "[__import__('os').getcwd()]", "[1, 2] + [3]", "[" * 100_000 + "]" * 100_000, "", "["],
)  # fmt: skip
def test_texts_that_write_no_list(text: str) -> None:
    assert parse_list(text) is None


def loaded(folder: Path, fields: tuple[Field, ...], values: list[Any], **options: Any) -> LoadedData:
    names = [field.column for field in fields]
    rows = [value if isinstance(value, tuple) else (f"text {number}", value) for number, value in enumerate(values)]
    for split in ("train", "dev", "test"):
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([names, *rows])
    return load_data(Data.model_validate({"path": str(folder), **options}), fields)


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("fields", [LABEL, LABELS])
def test_labels(fields: tuple[Field, ...], streaming: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    found = loaded(tmp_path, fields, ["['a', 'b']", "[]", "", '["c"]'], streaming=streaming)
    assert found.train["label"][:] == [["a", "b"], [], [], ["c"]]
    assert found.labels == {"label": ("a", "b", "c")}
    assert found.notes[0] == "column 'label' holds lists written as text: they are read as lists"


def test_choices_of_label_studio_stand_without_brackets_where_they_are_alone(tmp_path: Path) -> None:
    found = loaded(tmp_path, LABEL, ["pos", '{"choices": ["pos", "neg"]}', "neg"])
    assert found.train["label"][:] == [["pos"], ["pos", "neg"], ["neg"]]


def test_words_and_their_labels(tmp_path: Path) -> None:
    found = loaded(tmp_path, WORDS, [("['New' 'York']", "[1 2]"), ('["in", "Rome"]', "['O', 'B-LOC']")])
    assert found.train["tokens"][:] == [["New", "York"], ["in", "Rome"]]
    assert found.train["labels"][:] == [["1", "2"], ["O", "B-LOC"]]


def test_words_between_blanks_may_be_brackets(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        WORDS,
        [("[ ]", "O O"), ("[ 1 ]", "O O O"), ("a b", "O O"), ("[1]", "O"), ("( c )", "O O O"), ("d", "O")],
    )
    assert found.train["tokens"][3] == ["[1]"]
    assert not any("written as text" in note for note in found.notes)


def test_columns_of_parquet(tmp_path: Path) -> None:
    table = pa.table({"text": ["x", "y"], "label": ["['a']", "['b', 'a']"]})
    for split in ("train", "dev", "test"):
        pq.write_table(table, tmp_path / f"{split}.parquet")
    assert load_data(Data(path=str(tmp_path)), LABEL).train["label"][:] == [["a"], ["b", "a"]]


def test_the_filter_sees_cells_as_they_are_written(tmp_path: Path) -> None:
    found = loaded(tmp_path, LABEL, ["['a']", "none", "['b']"], filter="label != 'none'")
    assert found.train["label"][:] == [["a"], ["b"]]


@pytest.mark.parametrize("odd", ["a", "['a', ...]", "[a, b]", "['a' ... 'b']"])
@pytest.mark.parametrize("fields", [LABEL, LABELS])
def test_a_cell_without_a_list_is_told(odd: str, fields: tuple[Field, ...], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 row without a list in column 'label'") as caught:
        loaded(tmp_path, fields, ["['a', 'b']", odd, "['c']"])
    assert caught.value.where is not None
    assert "train.csv, line 3" in caught.value.where


def test_lists_that_numpy_shortened_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="without a list in column 'labels'"):
        loaded(tmp_path, WORDS, [("a b", "[0 1 ... 2]")])


def test_lists_where_classes_are_wanted(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="another type than text in column 'label'"):
        loaded(tmp_path, CLASS, ["['a', 'b']", "['c']"])
    assert loaded(tmp_path, CLASS, ["[18, 25]", "[26, 35]"]).labels == {"label": ("[18, 25]", "[26, 35]")}


def test_streamed_lists_that_come_late_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batched.batched, "__defaults__", (2,))
    monkeypatch.setenv("FINETUNE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(UserError, match="lists written as text here, and none in the rows before") as caught:
        loaded(tmp_path, LABELS, ["a", "b", "c", "['a', 'b']"], streaming=True)
    assert caught.value.where is not None
    assert "line 5" in caught.value.where


@pytest.mark.parametrize("cell", ["['New', 'York']", '["New", "York"]', "['New' 'York']", "New York"])
def test_predictions_read_words_as_training_does(cell: str) -> None:
    assert read_example(InputRow(1, {"tokens": cell}), WORDS[:1], "utf-8") == {"tokens": ["New", "York"]}
