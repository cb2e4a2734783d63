"""Lengths within which no text is left are refused before a run."""

from collections.abc import Callable
from typing import Any

import pytest

from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.training import prepare
from tests.training.conftest import toy as toy

Toy = Callable[..., Recipe]


@pytest.mark.parametrize(
    ("kind", "architecture", "keys", "expected"),
    [
        ("text_classification", "bert", {"task.max_length": 1}, "3 tokens or more: 2 special tokens, and some"),
        ("text_classification", "bert", {"task.max_length": 2}, "3 tokens or more"),
        ("token_classification", "t5", {"task.max_length": 1}, "2 tokens or more: 1 special token"),
        ("text_to_text", "t5", {"task.max_target_length": 1}, "2 tokens or more: 1 special token, and some"),
        ("text_to_text", "t5", {"task.max_source_length": 4, "task.prefix": "red dog: red dog: "}, "of task.prefix"),
    ],
)
def test_a_length_without_room_for_text(
    toy: Toy, kind: str, architecture: str, keys: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UserError, match="leaves no room for text") as caught:
        prepare(toy(kind, architecture, train=24, held_out=8, **keys))
    assert expected in str(caught.value.expected)
    assert caught.value.where == next(iter(keys))


def test_pairs_need_room_for_both_texts(toy: Toy) -> None:
    pair = {"data.columns.text_pair": "label", "task.max_length": 4}
    with pytest.raises(UserError, match="leaves no room for text") as caught:
        prepare(toy("text_classification", "bert", train=24, held_out=8, **pair))
    assert "5 tokens or more: 3 special tokens" in str(caught.value.expected)


def test_one_token_of_text_is_enough(toy: Toy) -> None:
    assert prepare(toy("text_classification", "bert", train=24, held_out=8, **{"task.max_length": 3})).model


def test_a_prompt_that_cannot_be_used(toy: Toy) -> None:
    keys: dict[str, Any] = {"task.target_prompt": "rot hund </s>"}
    with pytest.raises(UserError, match="the target's prompt holds the special token '</s>'"):
        prepare(toy("text_to_text", "t5", train=24, held_out=8, **keys))
    keys = {"task.target_prompt": "rot " * 20, "model.scratch.max_positions": 24}
    with pytest.raises(UserError, match="longer than the model's inputs can be"):
        prepare(toy("text_to_text", "bert", train=24, held_out=8, **keys))
