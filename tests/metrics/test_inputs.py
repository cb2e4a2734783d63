"""Predictions and references that cannot be scored raise an error that says why."""

from numbers import Integral, Real
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.errors import UserError
from finetune.metrics.inputs import (
    TASKS_OWN,
    are_constant,
    check_counts,
    check_elements,
    check_lengths,
    check_sequences,
    check_some,
    class_order,
)


def test_each_prediction_has_a_reference() -> None:
    check_counts([], [])
    check_counts(["a", "b"], ["c", "d"])
    with pytest.raises(ValueError, match=r"^2 predictions for 1 references$"):
        check_counts(["a", "b"], ["c"])


def test_no_example_is_a_mistake_that_names_what_is_missing() -> None:
    check_some([0])
    with pytest.raises(UserError, match="there is nothing to score") as caught:
        check_some([], "word")
    assert (caught.value.expected, caught.value.found) == ("at least one word", "none")
    with pytest.raises(UserError, match="at least one example"):
        check_some(np.zeros(0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("element", "right", "wrong", "noun"),
    [
        (str, ["a", ""], 1, "a text"),
        (str, ["a"], None, "a text"),
        (Integral, [1, np.int64(2)], 1.0, "a whole number"),
        (Integral, [-100], "1", "a whole number"),
        (Real, [1, 2.5, np.float32(3)], "1.5", "a number"),
        (Real, [float("nan")], [1.0], "a number"),
    ],
)
def test_elements_are_of_one_type(element: type, right: list[Any], wrong: Any, noun: str) -> None:
    check_elements("mine", right, element)
    with pytest.raises(UserError, match=r"^the metric mine cannot score this task's predictions") as caught:
        check_elements("mine", [*right, wrong], element)
    assert (caught.value.expected, caught.value.found, caught.value.fix) == (noun, repr(wrong), TASKS_OWN)


@pytest.mark.parametrize("wrong", ["text", 3, None])
def test_what_is_no_list_is_no_sequence(wrong: Any) -> None:
    check_sequences("mine", [["a"], [], ("b", "c")], str)
    with pytest.raises(UserError) as caught:
        check_sequences("mine", [["a"], wrong], str)
    assert caught.value.expected == "a list of one entry a word or token"
    assert caught.value.found == repr(wrong)


def test_elements_of_sequences_are_of_one_type() -> None:
    with pytest.raises(UserError) as caught:
        check_sequences("mine", [["a"], ["b", 7]], str)
    assert (caught.value.expected, caught.value.found) == ("a text", "7")


def test_sequences_of_another_length_are_told_with_their_example() -> None:
    check_lengths([["a"], []], [["b"], []])
    with pytest.raises(ValueError, match=r"^example 1: prediction of length 0, reference of 2$"):
        check_lengths([["a"], []], [["b"], ["c", "d"]])


@given(st.lists(st.floats(allow_nan=False), min_size=1))
def test_values_are_constant_where_there_is_one_of_them(values: list[float]) -> None:
    assert are_constant(values) == (len(set(values)) == 1)


@given(st.none() | st.lists(st.sampled_from("abcd"), unique=True), st.lists(st.sampled_from("abcdef")))
def test_classes_come_in_the_order_of_the_label_list_and_others_after_them(
    labels: list[str] | None, present: list[str]
) -> None:
    order = class_order(labels, present)
    known = len(labels or ())
    assert order[:known] == (labels or [])
    assert order[known:] == sorted(set(present) - set(labels or ()))
