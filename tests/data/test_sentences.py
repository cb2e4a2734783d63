"""Files of one word a row: refused as they are, and grouped by the column that tells the sentence."""

import csv
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Value
from datasets import Features as Schema

from finetune.data import Field, LoadedData, load_data
from finetune.errors import UserError
from finetune.recipe import Data

FIELDS = (Field("tokens", "words", "word"), Field("labels", "word_labels", "tag"))
ROWS = [("1", "New York", "B-LOC"), ("", "is", "O"), ("2", "null", "O"), ("2 ", "b", "O"), ("3", "c", "B-PER")]


def loaded(folder: Path, rows: list[Any], fields: tuple[Field, ...] = FIELDS, **options: Any) -> LoadedData:
    for split in ("train", "dev", "test"):
        with (folder / f"{split}.csv").open("w", newline="") as file:
            csv.writer(file).writerows([("id", "word", "tag"), *rows])
    return load_data(Data.model_validate({"path": str(folder), **options}), fields)


BY_ID: dict[str, Any] = {"columns": {"sentence": "id"}}


def test_rows_are_grouped_by_the_column_that_tells_the_sentence(tmp_path: Path) -> None:
    found = loaded(tmp_path, ROWS, **BY_ID)
    assert found.train["tokens"][:] == [["New York", "is"], ["null", "b"], ["c"]]
    assert found.train["labels"][:] == [["B-LOC", "O"], ["O", "O"], ["B-PER"]]


def test_a_row_that_the_filter_drops_leaves_its_sentence_to_the_others(tmp_path: Path) -> None:
    found = loaded(tmp_path, ROWS, filter="word != 'New York' and word != 'null'", **BY_ID)
    assert found.train["tokens"][:] == [["is"], ["b"], ["c"]]


def test_files_of_one_split_share_no_sentence(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("id,word,tag\n1,x,O\n1,y,B-A\n2,z,O\n")
    path = [str(tmp_path / f"{name}.csv") for name in ("a", "b")]
    found = load_data(Data.model_validate({"path": path, "dev_path": path, "test_path": path, **BY_ID}), FIELDS)
    assert found.train["tokens"][:] == [["x", "y"], ["z"]] * 2


def test_a_source_may_name_its_own_column(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("nr,word,tag\n" + "".join(f"{number // 2},w{number},O\n" for number in range(20)))
    source = {"path": str(tmp_path / "a.csv"), "columns": {"sentence": "nr"}}
    assert load_data(Data.model_validate({"sources": [source]}), FIELDS).train["tokens"][0] == ["w0", "w1"]


def test_class_numbers_keep_their_names(tmp_path: Path) -> None:
    schema = Schema({"id": Value("int64"), "word": Value("string"), "tag": ClassLabel(names=["O", "B-A"])})
    rows = [{"id": 0, "word": "x", "tag": 1}, {"id": 0, "word": "y", "tag": 0}, {"id": 1, "word": "z", "tag": 0}]
    for split in ("train", "dev", "test"):
        Dataset.from_list(rows, schema).to_parquet(tmp_path / f"{split}.parquet")
    found = load_data(Data.model_validate({"path": str(tmp_path), **BY_ID}), FIELDS)
    assert found.train["labels"][:] == [["B-A", "O"], ["O"]]


def test_one_word_a_row_is_refused(tmp_path: Path) -> None:
    rows = [(number // 5, f"w{number}", "O") for number in range(40)]
    with pytest.raises(UserError, match="40 of 40 rows hold one word in column 'word'") as caught:
        loaded(tmp_path, rows)
    assert "data.columns.sentence=..." in str(caught.value.fix)
    assert len(loaded(tmp_path, rows, **BY_ID).train) == 8
    apart = [(number, word, tag) for number, (_, word, tag) in enumerate(rows)]
    assert len(loaded(tmp_path, apart, **BY_ID).train) == 40


def test_a_sentence_without_its_first_row_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the first row has no sentence in column 'id'"):
        loaded(tmp_path, [("", "a", "O"), ("1", "b", "O")], **BY_ID)


def test_sentences_whose_rows_are_scattered_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the rows of 1 sentence in column 'id' do not follow each other") as caught:
        loaded(tmp_path, [("1", "a", "O"), ("2", "b", "O"), ("1", "c", "O")], **BY_ID)
    assert "line 4" in str(caught.value.where)


def test_words_that_are_missing_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="1 row with nothing in column 'word'"):
        loaded(tmp_path, [("1", "a", "O"), ("1", " ", "O"), ("2", "b", "O")], **BY_ID)


def test_rows_that_hold_lists_are_told(tmp_path: Path) -> None:
    for split in ("train", "dev", "test"):
        (tmp_path / f"{split}.jsonl").write_text('{"id": 1, "word": ["a", "b"], "tag": ["O", "O"]}\n')
    with pytest.raises(UserError, match=r"column 'word' holds lists, and data\.columns.sentence is for"):
        load_data(Data.model_validate({"path": str(tmp_path), **BY_ID}), FIELDS)


def test_what_cannot_be_grouped_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="rows that are streamed cannot be grouped into sentences"):
        loaded(tmp_path, ROWS, streaming=True, **BY_ID)
    with pytest.raises(UserError, match="only words can be grouped into sentences"):
        loaded(tmp_path, ROWS, (Field("text", "text", "word"), Field("label", "label", "tag")), **BY_ID)
