"""Functions of the user's and of packages, and what they are called with."""

from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

import pytest

from finetune.data.functions import find_data_set, takes_columns
from finetune.errors import UserError


def of_split(split: str) -> None: ...


def of_columns(split: str, columns: object) -> None: ...


def by_name(split: str, *, columns: object) -> None: ...


def with_default(split: str, columns: object = ()) -> None: ...


def named_so(columns: str) -> None: ...


def with_options(split: str, **columns: object) -> None: ...


@pytest.mark.parametrize("function", [of_columns, by_name])
def test_a_second_argument_without_default_asks_for_the_columns(function: Callable[..., Any]) -> None:
    assert takes_columns(function)


@pytest.mark.parametrize(
    "function",
    [
        of_split,
        with_default,
        named_so,
        with_options,
        lambda: None,
        iter,
        dict,
        itemgetter(1),
        partial(by_name, columns=1),
    ],
)
def test_other_functions_are_called_with_the_split_alone(function: Callable[..., Any]) -> None:
    assert not takes_columns(function)


@pytest.mark.parametrize("name", ["address", "interface", "licence", "sentiment"])
def test_the_samples_are_data_sets_of_this_package(name: str) -> None:
    function = find_data_set(name, "data.sample")
    assert takes_columns(function)
    assert function.__module__ == f"finetune.samples.{name}"


def test_a_name_that_nobody_brings() -> None:
    with pytest.raises(UserError, match="no installed package brings a data set 'adress'") as caught:
        find_data_set("adress", "data.sample")
    assert "address, interface, licence, sentiment" in str(caught.value.found)
