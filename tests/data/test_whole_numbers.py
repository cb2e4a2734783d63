"""Classes that are whole numbers are one class whether they are written 1 or 1.0."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from finetune.data import load_data
from finetune.data.fields import Field
from finetune.data.rows import Rows
from finetune.data.whole_numbers import whole_numbers
from finetune.recipe import Data
from tests.data.labelled import CLASSES, OPEN, SPLITS, loaded

NOTE = (
    "column 'label' holds whole numbers with a fraction of zero: 1.0 is read as the class 1; "
    "task.problem_type=regression reads numbers"
)


def read(
    given_labels: Any, *, field: Field = CLASSES[1], **options: Any
) -> tuple[dict[str, list[str]], tuple[str, ...]]:
    """The labels of each split, and notes."""
    rows = {split: Rows(split, {field.column: list(labels)}) for split, labels in given_labels.items()}
    columns = {
        split: {field.name: pa.chunked_array([[str(label) for label in labels]])}
        for split, labels in given_labels.items()
    }
    made, notes = whole_numbers(Data.model_validate({"path": "a.csv", **options}), [field], rows, columns)
    return {split: one[field.name].to_pylist() for split, one in made.items()}, notes


@given(st.lists(st.integers(-99, 99), min_size=1), st.lists(st.sampled_from(["", ".", ".0", ".000"]), min_size=1))
def test_a_fraction_of_zero_is_left_out(numbers: list[int], ends: list[str]) -> None:
    written = [f"{number}{ends[index % len(ends)]}" for index, number in enumerate(numbers)]
    made, notes = read({"train": written})
    assert made == {"train": [str(number) for number in numbers]}
    assert notes == ((NOTE,) if any("." in label for label in written) else ())


def test_all_splits_decide_together() -> None:
    assert read({"train": ["0", "1"], "dev": ["1.0"]}) == ({"train": ["0", "1"], "dev": ["1"]}, (NOTE,))
    assert read({"train": ["0.0", "1"], "dev": ["many"]}) == ({"train": ["0.0", "1"], "dev": ["many"]}, ())


@pytest.mark.parametrize("labels", [["1.5", "2.0"], ["a", "1.0"], ["1.0.0"], ["1e0", "2.0"], [".0"]])
def test_other_labels_stay(labels: list[str]) -> None:
    assert read({"train": labels}) == ({"train": labels}, ())


def test_labels_that_data_labels_names_stay() -> None:
    assert read({"train": ["0.0", "1.0"]}, labels=("0.0", "1.0")) == ({"train": ["0.0", "1.0"]}, ())
    assert read({"train": ["0.0", "1.0"]}, labels=("neg", "pos")) == ({"train": ["0", "1"]}, (NOTE,))


def test_other_fields_stay() -> None:
    text = Field("text", "text", "text")
    assert read({"train": ["1.0"]}, field=text) == ({"train": ["1.0"]}, ())


def test_numbers_that_were_stored_as_floats_are_noted() -> None:
    rows = {"train": Rows("train", {"label": [0.0, float("nan")]})}
    columns = {"train": {"label": pa.chunked_array([["0", None]], pa.string())}}
    data = Data(path="a.csv", labels=("0", "1"))
    assert whole_numbers(data, CLASSES, rows, columns)[1] == (NOTE,)
    rows["train"] = Rows("train", {"label": pa.chunked_array([[0.0, None]])})
    assert whole_numbers(data, CLASSES, rows, columns)[1] == (NOTE,)
    rows["train"] = Rows("train", {"label": [0, float("nan")]})
    assert whole_numbers(data, CLASSES, rows, columns)[1] == ()


def test_one_and_one_point_zero_of_files_are_one_label(tmp_path: Path) -> None:
    found = loaded(tmp_path, train=["0", "1"], dev=["0.0", "1.0"], test=["1.", "0"])
    assert found.labels["label"] == ("0", "1")
    assert found.dev["label"][:] == ["0", "1"]
    assert found.test["label"][:] == ["1", "0"]
    assert NOTE in found.notes


def test_numbers_with_a_fraction_of_zero_are_places_in_data_labels(tmp_path: Path) -> None:
    found = loaded(tmp_path, CLASSES, train=["0.0", "1.0"], options={"labels": ("neg", "pos")})
    assert found.train["label"][:] == ["neg", "pos"]


def test_whole_numbers_of_parquet_are_said_to_be_classes(tmp_path: Path) -> None:
    for split in SPLITS:
        Dataset.from_dict({"text": ["a", "b"], "label": [0.0, 1.0]}).to_parquet(tmp_path / f"{split}.parquet")
    found = load_data(Data(path=str(tmp_path)), OPEN)
    assert found.labels["label"] == ("0", "1")
    assert NOTE in found.notes
