"""Classes: their order, and labels that are none of them."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from finetune.data import Field
from finetune.data.labels import collect, distinct, ordered, rows_with, unknown_labels
from finetune.data.rows import Rows

LABEL = Field("label", "label", "label")
TAGS = Field("tags", "word_labels", "tags")


def column(values: list[str] | list[list[str]]) -> pa.ChunkedArray:
    """In two chunks, as data sets have them."""
    return pa.chunked_array([pa.array(values[:1]), pa.array(values[1:])])


@given(st.lists(st.integers(), unique=True))
def test_integers_are_ordered_by_value(numbers: list[int]) -> None:
    assert ordered(map(str, numbers)) == tuple(map(str, sorted(numbers)))


@given(st.lists(st.text(), unique=True))
def test_order_does_not_depend_on_the_datas(names: list[str]) -> None:
    assert ordered(names) == ordered(reversed(names))


def test_labels_in_lists_are_found() -> None:
    tags = column([["O"], ["B", "O"], ["I"]])
    assert distinct(tags) == {"O", "B", "I"}
    assert rows_with(tags, ["B", "I"]) == [1, 2]


def test_label_counts_from_train_and_word_labels_from_everywhere() -> None:
    labels = {"train": column(["a", "b"]), "dev": column(["a", "c"])}
    tags = {"train": column([["a"], ["b"]]), "dev": column([["a"], ["c"]])}
    assert collect(LABEL, labels) == ("a", "b")
    assert collect(TAGS, tags) == ("a", "b", "c")


def test_unknown_labels_of_a_split_are_told_together() -> None:
    splits = {"train": column(["a", "b"]), "dev": column(["a", "x", "y", "x"])}
    rows = {split: Rows(name=f"{split}.csv", columns={}) for split in splits}
    (error,) = unknown_labels(LABEL, rows, splits, ("a", "b"), "the train split")
    assert "2 labels of column 'label' not in the train split: x, y" in str(error)
    assert "dev.csv, rows 1, 2, 3" in str(error)
