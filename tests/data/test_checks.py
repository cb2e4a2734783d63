"""All columns of all splits are checked before one mistake is told, so that all are told at once."""

from typing import Any

import pyarrow as pa
import pytest

from finetune.data.checks import checked_columns
from finetune.data.fields import Field
from finetune.data.rows import Rows
from finetune.errors import UserError, UserErrors

TEXT = Field("text", "text", "body")
LABEL = Field("label", "label", "stars")
WORDS = (Field("tokens", "words", "words"), Field("labels", "word_labels", "tags"))


def rows(name: str, **columns: Any) -> Rows:
    return Rows(f"{name}.csv", columns, "line", range(2, 2 + len(next(iter(columns.values())))))


def test_columns_are_known_by_the_fields_names() -> None:
    given = {
        "train": rows("train", body=["a", 1], stars=[" x ", "y"]),
        "dev": Rows("dev", {"body": pa.chunked_array([["b"]]), "stars": pa.chunked_array([["z"]])}),
    }
    found = checked_columns(given, (TEXT, LABEL))
    assert {split: {name: column.to_pylist() for name, column in one.items()} for split, one in found.items()} == {
        "train": {"text": ["a", "1"], "label": ["x", "y"]},
        "dev": {"text": ["b"], "label": ["z"]},
    }


def test_splits_without_rows_are_told_first_and_together() -> None:
    given = {"train": rows("train", body=[]), "dev": rows("dev", body=[1.5, True]), "test": rows("test", body=[])}
    with pytest.raises(UserError, match="there are no examples") as caught:
        checked_columns(given, (TEXT,))
    assert caught.value.where == "train.csv; test.csv"


def test_one_mistake_of_several_splits_is_told_once_with_all_places() -> None:
    given = {
        "train": rows("train", body=["a", ""], stars=["x", "y"]),
        "dev": rows("dev", body=["", "b"], stars=[None, "y"]),
    }
    with pytest.raises(UserErrors) as caught:
        checked_columns(given, (TEXT, LABEL))
    assert [(error.problem, error.where) for error in caught.value.errors] == [
        ("1 row without text in column 'body'", "train.csv, line 3; dev.csv, line 2"),
        ("1 row without a label in column 'stars'", "dev.csv, line 2"),
    ]


def test_the_train_split_says_what_open_labels_are_in_all_splits() -> None:
    field = Field("label", "label", "stars", is_open=True)
    given = {"train": rows("train", body=["a", "b"], stars=["1", "2.5"]), "dev": rows("dev", body=["c"], stars=["3"])}
    found = checked_columns(given, (TEXT, field))
    assert [found[split]["label"].to_pylist() for split in ("train", "dev")] == [[1.0, 2.5], [3.0]]


def test_a_field_that_a_split_lacks_is_not_read_there() -> None:
    given = {"train": rows("train", body=["a"], stars=["x"]), "test": rows("test", body=["b"], stars=[None])}
    found = checked_columns(given, (TEXT, LABEL), {"train": (TEXT, LABEL), "test": (TEXT,)})
    assert list(found["test"]) == ["text"]
    with pytest.raises(UserError, match="no row has a label"):
        checked_columns(given, (TEXT, LABEL))


def test_words_and_labels_of_unequal_number_are_told_by_split() -> None:
    given = {
        "train": rows("train", words=[["a", "b"], ["c"]], tags=[["O", "O"], ["O", "O"]]),
        "dev": rows("dev", words=["a b"], tags=["O O"]),
        "test": rows("test", words=[["a"]], tags=[["O", "O", "O"]]),
    }
    with pytest.raises(UserError, match="1 row with another number of labels than of words") as caught:
        checked_columns(given, WORDS)
    assert caught.value.where == "train.csv, line 3; test.csv, line 2"
    assert caught.value.expected == "one label in 'tags' for each word in 'words'"
    assert caught.value.found == "1 words and 2 labels in the first of them"
