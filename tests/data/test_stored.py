"""Columns of a data set on the disk stay there, whatever was done to the data set before."""

from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, List, Value
from datasets import Features as Schema

from finetune.data.fields import Field
from finetune.data.stored import rows_from_dataset
from finetune.errors import UserError, UserErrors

TEXT = Field("text", "text", "body")
LABEL = Field("label", "label", "stars")
SCHEMA = Schema({"body": Value("string"), "stars": ClassLabel(names=["bad", "good"]), "other": Value("int64")})
ROWS: list[dict[str, Any]] = [{"body": f"text {number}", "stars": number % 2, "other": number} for number in range(6)]
NESTED = Dataset.from_list([{"translation": {"de": "ja", "en": "yes"}, "en": "own"}])
SOURCE, TARGET = Field("source", "text", "de"), Field("target", "text", "translation.en")


def test_columns_are_mapped_and_those_that_nobody_reads_left_out(tmp_path: Path) -> None:
    Dataset.from_list(ROWS, SCHEMA).save_to_disk(tmp_path / "mine")
    dataset = Dataset.load_from_disk(str(tmp_path / "mine"))
    rows = rows_from_dataset("mine", dataset, [TEXT, LABEL])
    assert list(rows.columns) == ["body", "stars"]
    assert rows.stored is not None
    assert rows.stored.column_names == ["body", "stars"]
    first = dataset.data.table["body"].chunk(0).buffers()[2]
    assert rows.columns["body"].chunk(0).buffers()[2].address == first.address, "not a copy"  # type: ignore[union-attr]


def test_class_numbers_come_with_their_names() -> None:
    rows = rows_from_dataset("mine", Dataset.from_list(ROWS, SCHEMA), [TEXT, LABEL])
    assert rows.class_names == {"stars": ("bad", "good")}
    tags = Schema({"tags": List(ClassLabel(names=["O", "B-X"]))})
    dataset = Dataset.from_dict({"tags": [[0, 1]]}, tags)
    assert rows_from_dataset("mine", dataset, [Field("labels", "word_labels", "tags")]).class_names == {
        "tags": ("O", "B-X")
    }


@pytest.mark.parametrize("change", ["shuffle(seed=1)", "select([4, 1])", "filter(lambda row: row['other'] > 2)"])
def test_rows_are_those_of_the_data_set_after_a_change(change: str) -> None:
    dataset = eval(f"dataset.{change}", {"dataset": Dataset.from_list(ROWS, SCHEMA)})
    rows = rows_from_dataset("mine", dataset, [TEXT, LABEL])
    found = [rows.columns[name].to_pylist() for name in ("body", "stars")]  # type: ignore[union-attr]
    assert found == [dataset["body"][:], dataset["stars"][:]]


def test_nested_columns_are_found_by_their_path_and_in_translation() -> None:
    rows = rows_from_dataset("mine", NESTED, [SOURCE, TARGET])
    assert {name: column.to_pylist() for name, column in rows.columns.items()} == {  # type: ignore[union-attr]
        "de": ["ja"],
        "translation.en": ["yes"],
    }
    assert rows.notes == ("mine: column 'de' is read from translation.de",)
    assert rows.stored is not None
    assert rows.take([0]).columns.keys() == rows.columns.keys()


def test_a_column_of_that_name_comes_before_a_nested_one() -> None:
    rows = rows_from_dataset("mine", NESTED, [Field("target", "text", "en")])
    assert rows.columns["en"].to_pylist() == ["own"]  # type: ignore[union-attr]
    assert rows.notes == ()


def test_a_column_that_two_fields_read_is_there_once() -> None:
    rows = rows_from_dataset("mine", Dataset.from_list(ROWS, SCHEMA), [TEXT, Field("text_pair", "text", "body")])
    assert list(rows.columns) == ["body"]


def test_missing_columns_are_told_at_once_with_those_there_are() -> None:
    fields = [Field("text", "text", "bodi"), LABEL, Field("text_pair", "text", "none")]
    with pytest.raises(UserErrors) as caught:
        rows_from_dataset("mine", Dataset.from_list(ROWS, SCHEMA), fields)
    assert [error.problem for error in caught.value.errors] == [
        "there is no column 'bodi'",
        "there is no column 'none'",
    ]
    assert caught.value.errors[0].fix == "data.columns.text=body"
    with pytest.raises(UserError, match="there is no column 'fr'") as single:
        rows_from_dataset("mine", NESTED, [Field("source", "text", "fr")])
    assert "translation.de" in str(single.value.found)
