"""Columns of every type that a source may give become strings and lists of strings, or are refused with a reason."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.columns import blank, canonical_column, string_column, where_true
from finetune.data.fields import Field, FieldKind
from finetune.data.rows import Rows
from finetune.errors import UserError


def rows_of(values: Any, kind: pa.DataType | None = None, names: tuple[str, ...] | None = None) -> Rows:
    column = pa.chunked_array([pa.array(values, kind)])
    return Rows("mine", {"c": column}, class_names={} if names is None else {"c": names})


def read(values: Any, kind: FieldKind, arrow: pa.DataType | None = None, names: tuple[str, ...] | None = None) -> Any:
    return canonical_column(rows_of(values, arrow, names), Field("c", kind, "c")).to_pylist()


def test_a_column_of_text_that_is_right_is_not_copied() -> None:
    rows = rows_of(["a ", " b"])
    assert canonical_column(rows, Field("c", "text", "c")) is rows.columns["c"]


@pytest.mark.parametrize(
    ("values", "arrow", "text", "label"),
    [
        ([" a ", "b"], pa.string(), [" a ", "b"], ["a", "b"]),
        ([" a ", "b"], pa.large_string(), [" a ", "b"], ["a", "b"]),
        ([1, -2], pa.int8(), ["1", "-2"], ["1", "-2"]),
        ([1.0, 2.0], pa.float64(), ["1", "2"], ["1", "2"]),
        ([Decimal("1.00"), Decimal("2.00")], pa.decimal128(5, 2), ["1.00", "2.00"], ["1", "2"]),
    ],
)
def test_text_and_labels(values: Any, arrow: pa.DataType, text: list[str], label: list[str]) -> None:
    assert read(values, "text", arrow) == text
    assert read(values, "label", arrow) == label


def test_categories_of_pandas_are_text() -> None:
    assert read(pa.array(["a", "b", "a"]).dictionary_encode(), "label") == ["a", "b", "a"]


def test_true_and_false_are_labels_and_no_text() -> None:
    assert read([True, False], "label") == ["true", "false"]
    with pytest.raises(UserError, match="column 'c' does not hold text") as caught:
        read([True], "text")
    assert (caught.value.found, caught.value.fix) == ("values of type bool", "data.columns.c=... names another column")


@pytest.mark.parametrize(
    ("values", "kind", "named"),
    [
        ([0, 1], "label", ["bad", "good"]),
        ([[0, 1], [], [1]], "word_labels", [["bad", "good"], [], ["good"]]),
    ],
)
def test_class_numbers_get_their_names(values: list[Any], kind: FieldKind, named: list[Any]) -> None:
    column = string_column(rows_of(values, names=("bad", "good")), Field("c", kind, "c"))
    assert column.to_pylist() == named


def test_lists_of_class_numbers_in_slices_and_of_fixed_size() -> None:
    column = pa.chunked_array([pa.array([[0], [1, 0], [1]])]).slice(1)
    rows = Rows("mine", {"c": column}, class_names={"c": ("bad", "good")})
    assert canonical_column(rows, Field("c", "word_labels", "c")).to_pylist() == [["good", "bad"], ["good"]]
    assert read([[0, 1], [1, 1]], "word_labels", pa.list_(pa.int64(), 2), ("bad", "good")) == [
        ["bad", "good"],
        ["good", "good"],
    ]


@pytest.mark.parametrize("number", [-1, 2])
def test_a_class_number_without_a_class_is_no_label(number: int) -> None:
    with pytest.raises(UserError, match="1 row without a label in column 'c'") as caught:
        read([0, number], "label", names=("bad", "good"))
    assert caught.value.where == "mine, row 1 (counted from 0)"


@pytest.mark.parametrize(
    ("values", "arrow"),
    [
        ([["a", "b"], ["c"]], pa.list_(pa.string())),
        ([["a", "b"], ["c"]], pa.large_list(pa.large_string())),
        (["a b", " c "], pa.string()),
        (["a\tb", "c"], pa.large_string()),
    ],
)
def test_words_are_lists_or_parted_by_blanks(values: Any, arrow: pa.DataType) -> None:
    assert read(values, "words", arrow) == [["a", "b"], ["c"]]


def test_numbers_in_lists_are_words() -> None:
    assert read([[1, 2], [3]], "words") == [["1", "2"], ["3"]]
    assert canonical_column(rows_of([["a"]]), Field("c", "words", "c")).type == pa.list_(pa.string())


@pytest.mark.parametrize(
    ("values", "kind", "expected", "found"),
    [
        ([[["a"]]], "words", "lists of words", "values of type list<"),
        ([[1.5]], "word_labels", "lists of labels", "values of type list<"),
        ([1, 2], "words", "lists of words", "values of type int64"),
        ([["a"]], "text", "text or whole numbers", "values of type list<"),
        ([{"a": 1}], "label", "text or whole numbers", "values of type struct<"),
    ],
)
def test_another_type_is_told(values: Any, kind: FieldKind, expected: str, found: str) -> None:
    with pytest.raises(UserError, match="column 'c' does not hold") as caught:
        read(values, kind)
    assert (caught.value.expected, caught.value.where) == (expected, "mine")
    assert str(caught.value.found).startswith(found)


@pytest.mark.parametrize("wrong", ["", "  ", None, "\u00a0\n"])
def test_rows_without_content_are_told(wrong: str | None) -> None:
    for kind, content in (("text", "text"), ("label", "a label"), ("words", "words"), ("word_labels", "labels")):
        with pytest.raises(UserError, match=f"2 rows without {content} in column 'c'") as caught:
            read(["a", wrong, "b", wrong], kind)  # type: ignore[arg-type]
        assert caught.value.where == "mine, rows 1, 3 (counted from 0)"
        assert "data.on_empty=skip" in str(caught.value.fix)


def test_a_list_of_blank_words_has_no_content() -> None:
    with pytest.raises(UserError, match="3 rows without words"):
        read([["a"], [], ["", " "], None], "words", pa.list_(pa.string()))


def test_a_column_without_one_label_is_told_as_a_whole() -> None:
    with pytest.raises(UserError, match="no row has a label in column 'c'") as caught:
        read([None, None], "label", pa.null())
    assert caught.value.where == "mine"
    assert "data.splits.test=null" in str(caught.value.fix)


def test_gaps_of_pandas_are_no_labels_and_fractions_no_classes() -> None:
    with pytest.raises(UserError, match="1 row without a label"):
        read([1.0, float("nan")], "label")
    with pytest.raises(UserError, match="column 'c' holds fractional numbers, and classes are wanted") as caught:
        read([1.0, 2.5], "label")
    assert (caught.value.found, caught.value.where) == ("2.5", "mine, row 1 (counted from 0)")
    assert "task.problem_type=regression" in str(caught.value.fix)


def test_numbers_and_lists_of_labels_have_readers_of_their_own() -> None:
    assert read(["1", " 2.5 "], "number") == [1.0, 2.5]
    assert read(["a,b", None, "a"], "label_list") == [["a", "b"], [], ["a"]]


@given(st.lists(st.none() | st.text(alphabet=" \t\u2003ab", max_size=4)))
def test_blank_is_what_python_strips_away(values: list[str | None]) -> None:
    column = pa.chunked_array([pa.array(values, pa.string())])
    expected = [value is None or not value.strip() for value in values]
    assert blank(column).to_pylist() == expected
    assert where_true(blank(column)) == [index for index, is_blank in enumerate(expected) if is_blank]


@pytest.mark.parametrize("kind", ["text", "label", "words", "word_labels"])
def test_without_checks_an_empty_row_stays_empty(kind: FieldKind) -> None:
    column = string_column(rows_of(["a", None]), Field("c", kind, "c"))
    assert column.to_pylist() == [["a"] if kind in ("words", "word_labels") else "a", None]
