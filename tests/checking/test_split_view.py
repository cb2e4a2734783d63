"""Rows of a split as strings, whether they come from files or from the examples of a run."""

from datasets import Dataset

from finetune.checking.split_view import SplitView, excerpt
from finetune.data import Field

FIELDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))
PAIRS = (Field("source", "text", "source"), Field("target", "text", "target"))


def test_lists_of_words_are_equal_only_where_the_words_are() -> None:
    rows = {"tokens": [["a b", "c"], ["a", "b c"], ["a", "b c"]], "labels": [["O", "O"]] * 3, "id": [0, 1, 2]}
    view = SplitView.of_split("train", Dataset.from_dict(rows), FIELDS)
    first, second, third = view.inputs(FIELDS)
    assert first != second == third
    assert excerpt(first) == "'a b c'"
    assert view.answers(FIELDS)[0] == view.answers(FIELDS)[1]


def test_the_target_of_text_to_text_is_an_answer_and_blanks_do_not_matter() -> None:
    rows = {"source": [" a ", "a"], "target": ["x", "y\n"], "id": [0, 1]}
    view = SplitView.of_split("dev", Dataset.from_dict(rows), PAIRS)
    assert view.inputs(PAIRS) == [("a",), ("a",)]
    assert view.answers(PAIRS) == [("x",), ("y",)]


def test_places_are_those_of_the_rows_as_the_user_numbers_them() -> None:
    view = SplitView.of_split(
        "test", Dataset.from_dict({"source": ["a", "b"], "target": ["x", "y"], "id": [7, 9]}), PAIRS
    )
    assert "test split" in view.where([1])
    assert "9" in view.where([1])


def test_without_a_column_of_the_input_there_is_no_input() -> None:
    view = SplitView.of_split("train", Dataset.from_dict({"target": ["x"], "id": [0]}), PAIRS)
    assert view.inputs(PAIRS) == []
    assert view.answers(PAIRS) == [("x",)]


def test_a_long_row_is_cut() -> None:
    assert excerpt(["x" * 100], most=10) == repr("x" * 7 + "...")
