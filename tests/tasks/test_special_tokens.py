from typing import Any

import pytest

from finetune.errors import UserError
from finetune.recipe import TextClassification
from finetune.tasks.special_tokens import marks, refuse_marks

TOKENS = {1: "[CLS]", 2: "[SEP]"}


def test_the_tokens_that_frame_texts_have_names(make: Any) -> None:
    _, context = make(TextClassification(), labels=("a", "b"))
    assert set(marks(context.tokenizer).values()) == {"[CLS]", "[SEP]", "[PAD]"}
    _, context = make(TextClassification(), "t5", labels=("a", "b"))
    assert set(marks(context.tokenizer).values()) == {"</s>", "<pad>"}


def test_tokens_as_often_as_the_tokenizer_adds_them_are_allowed() -> None:
    refuse_marks("text", [[1, 7, 2], [1, 2]], [1, 9, 2], TOKENS, [0, 1])


def test_a_token_more_often_is_reported_with_its_example_and_the_number_of_such_examples() -> None:
    with pytest.raises(
        UserError, match=r"a text holds '\[SEP\]', which the tokenizer takes for a special token"
    ) as caught:
        refuse_marks("text", [[1, 7, 2], [1, 2, 7, 2], [1, 1, 2]], [1, 9, 2], TOKENS, [10, 11, 12])
    assert caught.value.where == "example 11 of its split (counted from 0), of 2 such examples"
