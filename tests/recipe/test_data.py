from typing import Any

import pytest
from pydantic import ValidationError

from finetune.recipe import Data, MixtureSource


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "one of path, name and sample is needed"),
        ({"name": "a", "dev_path": "dev.csv"}, "dev_path and test_path need path"),
        ({"path": " "}, "it is empty; null leaves it out"),
        ({"path": ["a.csv", ""]}, "one of its paths is empty; leave it out"),
        ({"path": "a.csv", "dev_path": [" "]}, "one of its paths is empty; leave it out"),
        ({"path": "a.csv", "labels": ["a", "b", "a"]}, "'a' is there more than once"),
        ({"sources": [{"path": "a.csv", "weight": 2}, {"path": "b.csv"}]}, "weights are given for all of them or for"),
        ({"path": "a.csv", "columns": {"label": ["toxic"]}}, "columns.label"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Data.model_validate(keys)


def test_a_source_of_a_mixture_names_its_data_and_known_columns() -> None:
    with pytest.raises(ValidationError, match="one of function, path, name and sample is needed"):
        MixtureSource()
    with pytest.raises(ValidationError, match="'txet' is none of text, text_pair"):
        MixtureSource(path="a.csv", columns={"txet": "body"})


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"name": "a/b"}, True),
        ({"name": "a/b", "path": "x.csv"}, False),
        ({"name": "a/b", "function": "mine.py:load"}, False),
        ({"name": "a/b", "sources": [{"path": "x.csv"}]}, False),
    ],
)
def test_what_takes_precedence_over_the_hub(keys: dict[str, Any], expected: bool) -> None:
    assert Data.model_validate(keys).is_of_hub is expected


@pytest.mark.parametrize("amount", [1, 30, 1e3, 0.25])
def test_an_amount_is_a_number_of_examples_or_a_share(amount: float) -> None:
    kept = Data(path="a.csv", max_train_examples=amount).max_train_examples
    assert kept == amount
    assert isinstance(kept, int) is (amount >= 1)


@pytest.mark.parametrize("amount", [0, -1, 2.5, float("inf"), float("nan"), 2**40])
def test_an_amount_that_is_neither_is_refused_with_what_it_may_be(amount: float) -> None:
    with pytest.raises(ValidationError, match="a whole number of examples from 1 to 2,147,483,647, or a share above 0"):
        Data(path="a.csv", max_train_examples=amount)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"sample": "corpus"}, True),
        ({"sample": "corpus", "name": "a/b"}, False),
        ({"sample": "corpus", "path": "x.csv"}, False),
        ({"sample": "corpus", "function": "mine.py:load"}, False),
        ({"sample": "corpus", "sources": [{"path": "x.csv"}]}, False),
        ({"name": "a/b"}, False),
    ],
)
def test_data_of_a_package_come_after_all_others(keys: dict[str, Any], expected: bool) -> None:
    assert Data.model_validate(keys).is_of_package is expected


def test_a_data_set_without_a_name_is_refused() -> None:
    with pytest.raises(ValidationError, match="it is empty; null leaves it out"):
        Data(sample=" ")
