"""Classes: their order, and labels that are none of them."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from finetune.data import Field
from finetune.data.labels import collect_labels, distinct_labels, name_classes, rows_with, sort_labels, unknown_labels
from finetune.data.rows import Rows

LABEL = Field("label", "label", "label")
TAGS = Field("tags", "word_labels", "tags")


def column(values: list[str] | list[list[str]]) -> pa.ChunkedArray:
    """In two chunks, as data sets have them."""
    return pa.chunked_array([pa.array(values[:1]), pa.array(values[1:])])


@given(st.lists(st.integers(), unique=True))
def test_integers_are_ordered_by_value(numbers: list[int]) -> None:
    assert sort_labels(map(str, numbers)) == tuple(map(str, sorted(numbers)))


@given(st.lists(st.text(), unique=True))
def test_order_does_not_depend_on_the_datas(names: list[str]) -> None:
    assert sort_labels(names) == sort_labels(reversed(names))


def test_labels_in_lists_are_found() -> None:
    tags = column([["O"], ["B", "O"], ["I"]])
    assert distinct_labels(tags) == {"O", "B", "I"}
    assert rows_with(tags, ["B", "I"]) == [1, 2]


def test_label_counts_from_train_and_word_labels_from_everywhere() -> None:
    labels = {"train": column(["a", "b"]), "dev": column(["a", "c"])}
    tags = {"train": column([["a"], ["b"]]), "dev": column([["a"], ["c"]])}
    assert collect_labels(LABEL, labels) == ("a", "b")
    assert collect_labels(TAGS, tags) == ("a", "b", "c")


def test_unknown_labels_of_a_split_are_told_together() -> None:
    splits = {"train": column(["a", "b"]), "dev": column(["a", "x", "y", "x"])}
    rows = {split: Rows(name=f"{split}.csv", columns={}) for split in splits}
    (error,) = unknown_labels(LABEL, rows, splits, ("a", "b"), "the train split")
    assert "2 labels of column 'label' not in the train split: x, y" in str(error)
    assert "dev.csv, rows 1, 2, 3" in str(error)


def test_no_number_is_proposed_for_another_and_minus_one_is_taken_for_no_label() -> None:
    rows = {split: Rows(name=f"{split}.csv", columns={}) for split in ("train", "test")}
    splits = {"train": column(["0", "1"]), "test": column(["1", "-1"])}
    (error,) = unknown_labels(LABEL, rows, splits, ("0", "1"), "the train split")
    assert str(error.fix).startswith("leave out the rows where -1 stands for no label, by data.filter; or")
    splits["test"] = column(["1", "11"])
    (error,) = unknown_labels(LABEL, rows, splits, ("0", "1"), "the train split")
    assert str(error.fix).startswith("correct the rows, or")


def test_numbers_are_replaced_by_the_names_at_their_places() -> None:
    assert name_classes(LABEL, column(["1", "0", "bad", "2"]), ("bad", "good")).to_pylist() == [
        "good",
        "bad",
        "bad",
        "2",
    ]
    tags = name_classes(TAGS, column([["0", "1"], [], ["2", "-100"]]), ("O", "B-A", "I-A"))
    assert tags.to_pylist() == [["O", "B-A"], [], ["I-A", "-100"]]
    sliced = column([["0"], ["1", "0"], ["2"]]).slice(1)
    assert name_classes(TAGS, sliced, ("O", "B-A", "I-A")).to_pylist() == [["B-A", "O"], ["I-A"]]


def test_numbers_that_are_names_themselves_or_may_be_indicators_stay() -> None:
    stars = column(["1", "2", "1"])
    assert name_classes(LABEL, stars, ("0", "1", "2")) is stars
    indicators = column([["0", "1"], ["1", "0"]])
    assert name_classes(Field("label", "label_list", "label"), indicators, ("bad", "good")) is indicators


def test_minus_100_is_a_label_of_words_only_where_it_is_declared() -> None:
    tags = {"train": column([["-100", "a"], ["b"]])}
    assert collect_labels(TAGS, tags) == ("a", "b")
    assert not unknown_labels(TAGS, {}, tags, ("a", "b"), "data.labels")
    assert collect_labels(LABEL, {"train": column(["-100", "a"])}) == ("-100", "a")
