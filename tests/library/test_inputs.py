"""The forms in which inputs are given."""

from typing import Any

import pandas
import pytest

from finetune.data import Field
from finetune.errors import UserError
from finetune.library.inputs import to_rows

TEXT = (Field("text", "text", "review"),)
PAIR = (*TEXT, Field("text_pair", "text", "answer"))
WORDS = (Field("tokens", "words", "tokens"),)
SOURCE = (Field("source", "text", "translation.en"),)
MASKED = (*TEXT, Field("depth", "words", "depth"))


@pytest.mark.parametrize(
    ("fields", "inputs", "expected"),
    [
        (TEXT, ["a", "b"], [{"review": "a"}, {"review": "b"}]),
        (TEXT, (text for text in "ab"), [{"review": "a"}, {"review": "b"}]),
        (TEXT, pandas.Series(["a"], index=[7]), [{"review": "a"}]),
        (TEXT, [], []),
        (TEXT, [{"review": "a", "more": 1}], [{"review": "a", "more": 1}]),
        (TEXT, pandas.DataFrame({"review": ["a"], "more": [1]}), [{"review": "a", "more": 1}]),
        (PAIR, [("a", "b"), ["c", "d"]], [{"review": "a", "answer": "b"}, {"review": "c", "answer": "d"}]),
        (WORDS, [["a", "b"], "c d"], [{"tokens": ["a", "b"]}, {"tokens": "c d"}]),
        (SOURCE, ["a"], [{"translation.en": "a"}]),
    ],
)
def test_every_form(fields: Any, inputs: Any, expected: list[dict[str, Any]]) -> None:
    assert to_rows(inputs, fields) == expected


@pytest.mark.parametrize(
    ("fields", "inputs", "problem", "hints"),
    [
        (TEXT, "a text", "the inputs are not a list", ["predict(['a text'])", "where:    inputs"]),
        (TEXT, {"review": "a"}, "the inputs are not a list", ["predict([{'review': 'a'}])"]),
        (TEXT, 3, "the inputs are not a list", ["int: 3"]),
        (
            TEXT,
            ["a", 3],
            "does not have the form that the model reads",
            ["input 1 (counted from 0)", 'texts: ["It works."]'],
        ),
        (TEXT, [("a", "b")], "does not have the form that the model reads", ["tuple"]),
        (PAIR, ["a"], "does not have the form that the model reads", ["pairs of texts"]),
        (PAIR, [("a", "b", "c")], "does not have the form that the model reads", ["pairs of texts"]),
        (WORDS, [[1, 2]], "does not have the form that the model reads", ["lists of words"]),
        (MASKED, ["a"], "does not have the form that the model reads", ["rows with these columns", "review, depth"]),
    ],
)
def test_mistakes(fields: Any, inputs: Any, problem: str, hints: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        to_rows(inputs, fields)
    assert problem in str(caught.value)
    for hint in hints:
        assert hint in str(caught.value)
