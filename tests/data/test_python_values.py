"""Columns of Python objects become Arrow arrays of one type, or are refused with the rows that differ."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.fields import Field, FieldKind
from finetune.data.python_values import arrow_column
from finetune.data.rows import Rows
from finetune.errors import UserError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)


def read(values: list[Any], kind: FieldKind = "text") -> list[Any]:
    rows = Rows("my.json", {"c": values}, "line", range(1, len(values) + 1))
    found: list[Any] = arrow_column(values, rows, Field("c", kind, "c")).to_pylist()
    return found


@given(st.lists(st.none() | TEXT))
def test_text_stays(values: list[str | None]) -> None:
    for kind in ("text", "label", "words", "word_labels"):
        assert read(values, kind) == values


@given(st.lists(st.none() | st.lists(TEXT | st.integers(), max_size=4)))
def test_lists_become_lists_of_text(values: list[list[Any] | None]) -> None:
    expected = [None if value is None else [str(word) for word in value] for value in values]
    for kind in ("words", "word_labels", "label_list"):
        assert read(values, kind) == expected


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["a", 1, 2.5, None], "text", ["a", "1", "2.5", None]),
        ([1, 2, None], "label", ["1", "2", None]),
        ([2**70, 1], "label", [str(2**70), "1"]),
        ([1.0, 2.0], "label", [1.0, 2.0]),
        ([1, 2.5], "number", [1.0, 2.5]),
        (["1", "2"], "number", ["1", "2"]),
        ([True, False], "label", [True, False]),
        ([1.0, math.nan], "label", [1.0, None]),
        ([math.nan, "a"], "text", [None, "a"]),
        ([("a", "b")], "words", [["a", "b"]]),
        ([None, None], "label", [None, None]),
        ([], "text", []),
    ],
)
def test_values_of_other_types(values: list[Any], kind: FieldKind, expected: list[Any]) -> None:
    assert read(values, kind) == expected


@pytest.mark.parametrize(
    ("values", "kind", "problem", "found"),
    [
        (["a", True], "text", "1 row with another type than text", "true or false: True"),
        (["a", ["b"], {"c": 1}], "text", "2 rows with another type than text", "list: ['b']"),
        (["a", {"b": 1}], "label", "1 row with another type than text", "object: {'b': 1}"),
        ([["a"], 1], "words", "1 row with another type than list", "number: 1"),
        ([["a"], "b", 1], "label_list", "1 row with another type than list", "number: 1"),
        ([1, [2]], "number", "1 row with another type than number", "list: [2]"),
        (["a", np.int64(3)], "text", "1 row with another type than text", "int64: np.int64(3)"),
    ],
)
def test_another_type_is_told_with_its_rows(values: list[Any], kind: FieldKind, problem: str, found: str) -> None:
    with pytest.raises(UserError, match=f"^{problem} in column 'c'") as caught:
        read(values, kind)
    assert caught.value.found == found
    assert caught.value.fix == "correct the rows, or data.columns.c=... names another column"
    assert str(caught.value.where).startswith("my.json, line")


def test_a_column_of_another_type_is_told_as_a_whole() -> None:
    with pytest.raises(UserError, match=r"^another type than text in column 'c'") as caught:
        read([["a"], ["b"]], "text")
    assert (caught.value.where, caught.value.expected) == ("my.json", "text or number")


def test_long_values_are_shortened() -> None:
    with pytest.raises(UserError) as caught:
        read([["a" * 1000]], "text")
    assert len(str(caught.value.found)) < 100


@pytest.mark.parametrize(
    ("values", "kind", "where", "expected"),
    [
        (["a", "b", 1], "label", "my.json, line 3", "one type throughout, text or numbers"),
        ([1, None, 2, "a"], "label", "my.json, line 4", "one type throughout, text or numbers"),
        ([1, "2", 3], "number", "my.json, line 2", "one type throughout"),
        ([["a"], "b c", ["d"]], "words", "my.json, line 2", "one type throughout"),
    ],
)
def test_the_rows_of_the_rarer_type_are_told(values: list[Any], kind: FieldKind, where: str, expected: str) -> None:
    with pytest.raises(UserError, match="column 'c' mixes types") as caught:
        read(values, kind)
    assert (caught.value.where, caught.value.expected) == (where, expected)
    assert caught.value.fix == "write the values in one way"


def test_types_are_counted() -> None:
    with pytest.raises(UserError) as caught:
        read(["a", True, "b", None], "label")
    assert caught.value.found == "2 x text, 1 x true or false"


@pytest.mark.parametrize("wrong", [[1.5], [None], [["a"]], [True]])
def test_lists_of_more_than_text_are_told(wrong: list[Any]) -> None:
    for kind, expected in (("words", "lists of text"), ("word_labels", "lists of labels, one a word")):
        with pytest.raises(UserError, match="the lists of column 'c' hold more than text") as caught:
            read([["a"], wrong, None], kind)  # type: ignore[arg-type]
        assert (caught.value.where, caught.value.expected) == ("my.json, line 2", expected)
        assert caught.value.found == repr(wrong)


@pytest.mark.parametrize("kind", ["text", "label", "words"])
def test_half_a_surrogate_pair_is_no_text(kind: FieldKind) -> None:
    broken: Any = ["b\ud83d"] if kind == "words" else "b\ud83d"
    with pytest.raises(UserError, match="1 row with half a surrogate pair, which is no text, in column 'c'") as caught:
        read([["a"] if kind == "words" else "a", broken], kind)
    assert caught.value.where == "my.json, line 2"
    assert "\\ud83d" in str(caught.value.found)
