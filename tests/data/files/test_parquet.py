"""Parquet: the types of columnar data, turned into strings."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("text", "text", "text"), Field("label", "label", "label"))
WORDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "tags"))


def read(path: Path, fields: tuple[Field, ...]) -> LoadedData:
    return load_data(Data(path=str(path), dev_path=str(path), test_path=str(path)), fields)


def table(folder: Path, **columns: pa.Array) -> Path:
    path = folder / "a.parquet"
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (pa.array([10, 9]), ["10", "9"]),
        (pa.array([1.0, 0.0]), ["1", "0"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.array(["b", "a"]).dictionary_encode(), ["b", "a"]),
        (pa.array([" b", "a "], pa.large_string()), ["b", "a"]),
    ],
    ids=["integers", "whole floats", "booleans", "categories", "text with blanks around"],
)
def test_labels_of_every_type(tmp_path: Path, labels: pa.Array, names: list[str]) -> None:
    loaded = read(table(tmp_path, text=pa.array(["x", "y"]), label=labels), FIELDS)
    assert loaded.train["label"][:] == names
    assert loaded.labels["label"] == tuple(reversed(names)), "numbers are sorted by value"


@pytest.mark.parametrize(
    "words",
    [
        pa.array([["a", "b"], ["c"]]),
        pa.array([["a", "b"], ["c"]], pa.large_list(pa.large_string())),
        pa.array(["a b", " c "]),
    ],
    ids=["lists", "large lists", "text"],
)
def test_words_of_every_type(tmp_path: Path, words: pa.Array) -> None:
    loaded = read(table(tmp_path, tokens=words, tags=pa.array([[0, 2], [10]])), WORDS)
    assert loaded.train["tokens"][:] == [["a", "b"], ["c"]]
    assert loaded.train["labels"][:] == [["0", "2"], ["10"]]
    assert loaded.labels["labels"] == ("0", "2", "10")


def test_numbers_of_classes_become_their_names(tmp_path: Path) -> None:
    features = Features(
        text=Value("string"), label=ClassLabel(names=["neg", "pos"]), tags=List(ClassLabel(names=["O", "B-PER"]))
    )
    rows = {"text": ["a", "b c"], "label": [1, 0], "tags": [[1], [0, 1]]}
    Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "a.parquet")
    fields = (Field("text", "words", "text"), Field("label", "label", "label"), Field("tags", "word_labels", "tags"))
    loaded = read(tmp_path / "a.parquet", fields)
    assert loaded.train["label"][:] == ["pos", "neg"]
    assert loaded.train["tags"][:] == [["B-PER"], ["O", "B-PER"]]
    assert loaded.labels == {"label": ("neg", "pos"), "tags": ("O", "B-PER")}


def test_nested_columns(tmp_path: Path) -> None:
    path = table(tmp_path, translation=pa.array([{"de": "Haus", "en": "house"}]))
    loaded = read(path, (Field("source", "text", "translation.en"), Field("target", "text", "translation.de")))
    assert loaded.train[0] == {"id": 0, "source": "house", "target": "Haus"}


def test_two_fields_may_read_one_column(tmp_path: Path) -> None:
    path = table(tmp_path, text=pa.array(["same"]))
    loaded = read(path, (Field("source", "text", "text"), Field("target", "text", "text")))
    assert loaded.train[0] == {"id": 0, "source": "same", "target": "same"}


@pytest.mark.parametrize(
    "texts", [pa.array([["a"]]), pa.array([{"a": "b"}]), pa.array([b"a"]), pa.array([True])], ids=lambda a: str(a.type)
)
def test_columns_that_hold_no_text(tmp_path: Path, texts: pa.Array) -> None:
    with pytest.raises(UserError, match="column 'text'") as caught:
        read(table(tmp_path, text=texts, label=pa.array(["x"])), FIELDS)
    assert "data.columns.text=" in str(caught.value)


@pytest.mark.parametrize("words", [pa.array([1]), pa.array([[1.5]]), pa.array([[["a"]]])], ids=lambda a: str(a.type))
def test_columns_that_hold_no_words(tmp_path: Path, words: pa.Array) -> None:
    with pytest.raises(UserError, match="column 'tokens' does not hold words"):
        read(table(tmp_path, tokens=words, tags=pa.array([["O"]])), WORDS)


def test_rows_without_text_are_counted_from_0(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="2 rows without text") as caught:
        read(table(tmp_path, text=pa.array(["a", None, " "]), label=pa.array(["x"] * 3)), FIELDS)
    assert "rows 1, 2 (counted from 0)" in str(caught.value)


def test_labels_with_gaps_name_the_rows(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 row without a label") as caught:
        read(table(tmp_path, text=pa.array(["a", "b"]), label=pa.array([1.0, None])), FIELDS)
    assert "row 1 " in str(caught.value)


def test_missing_column(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no column 'label'") as caught:
        read(table(tmp_path, text=pa.array(["a"]), lable=pa.array(["x"])), FIELDS)
    assert "data.columns.label=lable" in str(caught.value)


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_text("text,label\n")
    with pytest.raises(UserError, match="not valid parquet"):
        read(path, FIELDS)


def test_text_that_is_no_utf_8_is_reported(tmp_path: Path) -> None:
    path = table(tmp_path, text=pa.array(["a house"]), label=pa.array(["b"]))
    path.write_bytes(path.read_bytes().replace(b"a house", b"a h\x80use"))
    with pytest.raises(UserError, match="the file is not valid parquet"):
        read(path, FIELDS)


def test_damaged_features_of_datasets_are_reported(tmp_path: Path) -> None:
    stored = pa.table({"text": ["a"], "label": ["b"]}).replace_schema_metadata({"huggingface": '{"info": 3}'})
    pq.write_table(stored, tmp_path / "a.parquet")
    with pytest.raises(UserError, match="the file is not valid parquet"):
        read(tmp_path / "a.parquet", FIELDS)
