"""Types in plain words."""

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from finetune.compose.type_words import allows_null, choices, describe, key_list
from finetune.recipe import Hub, SiteSection, Training
from finetune.recipe.base import Count, Share


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (bool, "true or false"),
        (bool | None, "true, false, or null"),
        (str | None, "a text or null"),
        (Path, "a path"),
        (Count | None, "a whole number from 1 to 2,147,483,647, or null"),
        (Share, "a number from 0 on and below 1"),
        (Literal["a", "b"] | None, "one of 'a', 'b', or null"),
        (Literal["a"], "'a'"),
        (tuple[str, ...], "a list of texts"),
        (tuple[int, ...] | None, "a list of whole numbers or null"),
        (tuple[Literal["a", "b"], ...], "a list of values of 'a', 'b'"),
        (tuple[Path, ...], "a list of paths"),
        (str | tuple[str, ...], "a text or a list of texts"),
        (Annotated[tuple[str, ...], Field(min_length=2)], "a list of at least 2 texts"),
        (Annotated[int, Field(gt=0)], "a whole number greater than 0"),
        (dict[str, float], "a mapping from texts to numbers"),
        (Literal["balanced"] | dict[str, float] | None, "'balanced', a mapping from texts to numbers, or null"),
        (Hub, "a section with the keys push, private, every_checkpoint, license, languages"),
        (SiteSection | None, "a mask such as 'window(64) | global_tokens(cls)', or a section with the keys mask, "),
        (tuple[Hub, ...], "a list of sections with the keys push, private, "),
        (dict, "a mapping"),
    ],
)
def test_words(annotation: Any, words: str) -> None:
    assert describe(annotation).startswith(words)


def test_choices_of_values_and_of_items() -> None:
    assert choices(Literal["a", "b"] | None) == ("a", "b")
    assert choices(tuple[Literal["a", "b"], ...]) == ("a", "b")
    assert choices(str | int) == ()


def test_null() -> None:
    assert allows_null(Annotated[int | None, 3])
    assert not allows_null(int)


def test_long_lists_of_keys_are_cut() -> None:
    assert key_list([Training], longest=20) == "epochs, steps, ..."
    assert key_list([Hub]).endswith("languages")
