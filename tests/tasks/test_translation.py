"""Prefixes and columns of translation."""

from typing import Any

import pytest
from datasets import Dataset

from finetune.errors import UserError
from finetune.recipe import Translation

ROWS = {"source": ["the red dog", "a house"], "target": ["der rote hund", "ein haus"], "id": [0, 1]}


def test_the_prefix_names_the_languages(make: Any) -> None:
    task, _ = make(Translation(source="en", target="fr", prefix="translate {source} to {target}: "), "t5")
    assert task.prefix == "translate English to French: "
    assert task.target_language == "fr"
    assert next(task.texts(Dataset.from_dict(ROWS))) == task.prefix


def test_columns_of_a_translation_are_its_languages(make: Any) -> None:
    task, _ = make(Translation(source="en", target="fr"), "t5")
    assert [field.column for field in task.fields] == ["en", "fr"]
    task, _ = make(Translation(source="en", target="fr"), "t5", columns={"source": "english"})
    assert [field.column for field in task.fields] == ["english", "fr"]


@pytest.mark.parametrize(
    "prefix", ["translate {language}: ", "{", "}", "{0}", "{}", "{source!r}", "{source:>9}", "{source.x}"]
)
def test_braces_that_cannot_be_filled_in_are_told(make: Any, prefix: str) -> None:
    with pytest.raises(UserError, match="the prefix holds braces that cannot be filled in"):
        make(Translation(source="en", target="fr", prefix=prefix), "t5")


def test_doubled_braces_are_text(make: Any) -> None:
    task, _ = make(Translation(source="en", target="fr", prefix="{{{source}}} "), "t5")
    assert task.prefix == "{English} "
