"""Rows as examples: the forms that values may have, and the reasons why others cannot be read."""

from typing import Any

import pytest

from finetune.data import Field
from finetune.data.files.bad_rows import BadRow
from finetune.serve.examples import InputRow, read_example, with_words

TEXT = (Field("text", "text", "text"),)
WORDS = (Field("tokens", "words", "tokens"),)
WORDS_AND_POS = (*WORDS, Field("pos", "words", "pos"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", 1], ["a", "1"]),
        (" a  b ", ["a", "b"]),
        ("['a', 'b c']", ["a", "b c"]),
        ([], "no words"),
        (["", " "], "no words"),
        (None, "no words"),
        (["a", None], "does not hold a list of words"),
        (5, "does not hold a list of words"),
    ],
)
def test_words(value: Any, expected: Any) -> None:
    found = read_example(InputRow(1, {"tokens": value}), WORDS, "utf-8")
    if isinstance(expected, list):
        assert found == {"tokens": expected}
    else:
        assert isinstance(found, BadRow)
        assert expected in found.reason
        assert not found.of_file


@pytest.mark.parametrize(
    ("value", "expected"), [(5, "5"), (None, "no text in column 'text'"), (True, "does not hold text: True")]
)
def test_texts(value: Any, expected: str) -> None:
    found = read_example(InputRow(1, {"text": value}), TEXT, "utf-8")
    assert (found.reason if isinstance(found, BadRow) else str(found["text"])).endswith(expected)


def test_a_missing_column_is_a_mistake_of_the_file() -> None:
    found = read_example(InputRow(1, {"review": "a"}), TEXT, "utf-8")
    assert isinstance(found, BadRow)
    assert found.of_file
    assert "no column 'text'" in found.reason


def test_a_row_that_could_not_be_parsed_keeps_its_reason() -> None:
    problem = BadRow("broken", of_file=True)
    assert read_example(InputRow(1, problem=problem), TEXT, "utf-8") is problem


def test_bytes_and_surrogates_are_no_text() -> None:
    for text, reason in (("b\udce9d", "is not cp949: the byte 0xe9"), ("\ud83d", "half a surrogate pair")):
        found = read_example(InputRow(1, {"text": text}), TEXT, "cp949")
        assert isinstance(found, BadRow)
        assert reason in found.reason


def test_columns_beside_words_have_as_many_entries() -> None:
    columns = {"tokens": ["a", "b"], "pos": ["N", "V"]}
    assert read_example(InputRow(1, columns), WORDS_AND_POS, "utf-8") == columns
    found = read_example(InputRow(1, {**columns, "pos": ["N"]}), WORDS_AND_POS, "utf-8")
    assert isinstance(found, BadRow)
    assert "2 in 'tokens', 1 in 'pos'" in found.reason


def test_words_are_cut_from_a_text_alone() -> None:
    columns = {"text": "It works, well."}
    assert with_words(columns, WORDS) == {**columns, "tokens": ["It", "works", ",", "well", "."]}
    for unchanged in ({"text": "a", "tokens": ["a"]}, {"other": "a"}):
        assert with_words(unchanged, WORDS) is unchanged
    assert with_words(columns, TEXT) is columns


def test_the_place_of_a_row() -> None:
    assert [InputRow(3).place, InputRow(0, unit="row").place] == ["line 3", "row 0"]


SPANS = (*TEXT, Field("mask_entity", "spans", "entity", text="text", hint="add it"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[0, 4, 1]], "[[0, 4, 1]]"),
        ('[{"start": 0, "end": 4, "label": 1}]', "[[0, 4, 1]]"),
        ([], "[]"),
        (None, "no spans in column 'entity', which has [] for a text without spans"),
        ("", "no spans in column 'entity', which has [] for a text without spans"),
        (3, "column 'entity' holds no list of spans, each [start, end, number] in characters of the text: 3"),
        ([[0, 2, 1], [1, 3, 2]], "column 'entity' holds spans that overlap: 2 begins at 1, and 1 ends at 2"),
        ([[0, 5, 1]], "column 'entity' holds a span up to 5 in a text of 4 characters"),
    ],
)
def test_spans(value: Any, expected: str) -> None:
    found = read_example(InputRow(1, {"text": "Anna", "entity": value}), SPANS, "utf-8")
    assert (found.reason if isinstance(found, BadRow) else found["mask_entity"]) == expected


def test_a_column_that_a_mask_reads_is_named_as_such() -> None:
    found = read_example(InputRow(1, {"text": "Anna"}), SPANS, "utf-8")
    assert isinstance(found, BadRow)
    assert found.reason == "there is no column 'entity', which a mask reads"
