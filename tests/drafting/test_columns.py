import pytest

from finetune.drafting.columns import empty_keys
from finetune.drafting.keys import DraftedKey
from finetune.errors import UserError
from tests.drafting.tables import REVIEWS, table


def test_a_column_that_is_not_there() -> None:
    given = {"data.columns.text_pair": "reveiw"}
    with pytest.raises(UserError, match="there is no column 'reveiw'") as raised:
        table({"review": REVIEWS}, given).given_column("text_pair")
    assert raised.value.fix == "--text-pair review"


def test_rows_that_are_empty_are_left_out_and_said_to_be() -> None:
    data = table({"text": ["", None, *REVIEWS], "label": ["a", "b"] * 21, "other": [""] * 42})
    keys = [DraftedKey("data.columns.text", "text"), DraftedKey("data.columns.label", "label")]
    (key,) = empty_keys(keys, data)
    assert (key.key, key.value, key.reason) == ("data.on_empty", "skip", "empty: 2 rows in 'text'")
    assert "data.on_empty=refuse" in key.doubt
    assert empty_keys(keys[1:], data) == []


def test_no_label_is_an_answer_among_several() -> None:
    data = table({"topics": [[], ["a"], ["a", "b"], ["b"]] * 5})
    keys = [DraftedKey("data.columns.label", "topics"), DraftedKey("task.problem_type", "multi_label")]
    assert empty_keys(keys, data) == []
