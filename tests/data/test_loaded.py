"""The three splits of a run, whose examples have a place that messages can name."""

import dataclasses

import pytest
from datasets import Dataset

from finetune.data.loaded import LoadedData, unplaced

SPLIT = Dataset.from_dict({"id": [0, 1], "text": ["a", "b"]})


def test_an_example_of_no_known_source_is_told_by_its_number() -> None:
    assert unplaced("dev", 7) == "the dev split, example 7 (counted from 0)"
    loaded = LoadedData(SPLIT, SPLIT, SPLIT, {}, ())
    assert loaded.where("test", 1) == "the test split, example 1 (counted from 0)"


def test_a_place_that_is_known_is_told() -> None:
    loaded = LoadedData(SPLIT, SPLIT, SPLIT, {}, (), lambda split, example: f"{split}.csv, line {example + 2}")
    assert loaded.where("train", 1) == "train.csv, line 3"


def test_splits_are_not_replaced_in_place() -> None:
    loaded = LoadedData(SPLIT, SPLIT, SPLIT, {"label": ("a",)}, ())
    with pytest.raises(dataclasses.FrozenInstanceError):
        loaded.train = SPLIT.select([0])  # type: ignore[misc]
    assert loaded.warnings == ()
