"""What docstrings say of keys: whole, and their first sentences."""

import pytest

from finetune.compose.descriptions import choices_of, description_of, first_sentence
from finetune.compose.recipe_keys import RecipeKey, find_keys, recipe_keys


@pytest.mark.parametrize("key", list(recipe_keys()), ids=lambda key: f"{key.section.__name__}.{key.name}")
def test_every_key_has_a_first_sentence(key: RecipeKey) -> None:
    text = description_of(key)
    assert first_sentence(text).endswith(".")
    assert text.startswith(first_sentence(text))
    assert "\n" not in text


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("One. Two.", "One."),
        ("A window (Li et al. 2021) of 0.5. auto is one.", "A window (Li et al. 2021) of 0.5."),
        ("Only `finetune`. `a` is one.", "Only `finetune`."),
    ],
)
def test_a_sentence_ends_at_its_full_stop(text: str, first: str) -> None:
    assert first_sentence(text) == first


def test_choices_are_those_of_the_type_or_the_tasks() -> None:
    assert choices_of(find_keys("model.scratch.architecture")[0]) == "bert, t5"
    assert choices_of(find_keys("training.trackers")[0]).startswith("tensorboard, wandb")
    assert choices_of(find_keys("task.kind")[0]).startswith("text_classification, token_classification")
    assert choices_of(find_keys("model.sample")[0]) == ""
    assert choices_of(find_keys("training.epochs")[0]) == ""
