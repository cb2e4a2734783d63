"""Duplicates, conflicts and leakage, counted on rows that are known."""

import pytest
from datasets import Dataset

from finetune.checking.duplicates import conflicts, duplicates, leakage
from finetune.checking.split_view import SplitView
from finetune.data import Field
from finetune.data.rows import Rows

CLASSES = (Field("text", "text", "review"), Field("label", "label", "stars"))
PAIRS = (Field("text", "text", "a"), Field("text_pair", "text", "b"), Field("label", "label", "stars"))
WORDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "tags"))
TEXTS = (Field("source", "text", "en"), Field("target", "text", "de"))


def part(fields: tuple[Field, ...], *rows: tuple[object, ...]) -> SplitView:
    columns = {field.column: [row[number] for row in rows] for number, field in enumerate(fields)}
    return SplitView.of_rows("train", Rows("my.csv", columns), fields)


def test_duplicates_are_counted_without_the_first() -> None:
    rows = part(CLASSES, ("a", "1"), ("b", "1"), (" a", "1"), ("a", "2"))
    (finding,) = duplicates(rows, CLASSES)
    assert finding.problem.startswith("2 duplicates")
    assert finding.where == "my.csv, rows 2, 3 (counted from 0)"


def test_conflicts_are_counted_by_input_and_name_every_row() -> None:
    rows = part(CLASSES, ("a", "1"), ("b", "1"), ("a", "1"), ("a", "2"), ("b", "1"))
    (finding,) = conflicts(rows, CLASSES)
    assert finding.problem.startswith("1 conflict")
    assert finding.where == "my.csv, rows 0, 2, 3 (counted from 0)"
    assert finding.found == "'a' is '1' and '2'"


@pytest.mark.parametrize(
    ("fields", "rows"),
    [
        (CLASSES, [("a", "1"), ("A", "2"), ("", "1"), ("", "2")]),
        (PAIRS, [("a", "b", "1"), ("ab", "", "2"), ("b", "a", "2")]),
        (WORDS, [(["a", "b"], ["O", "O"]), (["a b"], ["X"])]),
        (TEXTS, [("a", "b"), ("a", "c")]),
    ],
)
def test_rows_that_differ_are_neither(fields: tuple[Field, ...], rows: list[tuple[object, ...]]) -> None:
    given = part(fields, *rows)
    assert [*duplicates(given, fields), *conflicts(given, fields)] == []


def test_words_with_other_labels_conflict() -> None:
    rows = part(WORDS, (["a", "b"], ["O", "O"]), (["a", "b"], ["O", "B-X"]))
    assert len(list(conflicts(rows, WORDS))) == 1


def test_the_same_translation_twice_is_a_duplicate() -> None:
    assert len(list(duplicates(part(TEXTS, ("a", "b"), ("a", "b")), TEXTS))) == 1


def test_leakage_is_told_for_each_pair_of_splits_by_the_rows_as_read() -> None:
    splits = {"train": ["a", "b", "c"], "dev": ["d", "b"], "test": ["d", "a", "c"]}
    parts = {
        split: SplitView.of_split(
            split,
            Dataset.from_dict({"id": range(10, 10 + len(texts)), "text": texts, "label": ["1"] * len(texts)}),
            CLASSES,
        )
        for split, texts in splits.items()
    }
    assert [(finding.problem, finding.where) for finding in leakage(parts, CLASSES)] == [
        ("leakage: 1 input of dev is in train, too", "the dev split, row 11 (counted from 0)"),
        ("leakage: 2 inputs of test are in train, too", "the test split, rows 11, 12 (counted from 0)"),
        ("leakage: 1 input of test is in dev, too", "the test split, row 10 (counted from 0)"),
    ]


def test_a_column_that_cannot_be_read_is_left_out() -> None:
    rows = part(CLASSES, ("a", ["1"]), ("a", ["2"]))
    assert list(conflicts(rows, CLASSES)) == []
    assert len(list(duplicates(rows, CLASSES))) == 1
