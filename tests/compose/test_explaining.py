"""`finetune help`: every key and section is explained from its docstring and its type, with an example that works."""

import shlex

import pytest

from finetune import compose
from finetune.compose.explaining import default_of, example_word, explain_keys, kinds_of, quoted, type_in_words
from finetune.compose.recipe_keys import RecipeKey, own_sections, recipe_keys
from finetune.errors import UserError
from finetune.recipe import Recipe

LEAVES = {f"{key.section.__name__}.{key.name}": key for key in recipe_keys() if not own_sections(key.field.annotation)}
RECIPES = {"translation": "wmt14", "text_to_text": "interface_sample", "token_classification": "address_sample"}
BESIDE = {
    "data.dev_path": "data.path=train.csv",
    "data.test_path": "data.path=train.csv",
    "adapter.num_virtual_tokens": "adapter.kind=prefix_tuning",
}
"""A word that a key needs beside it."""
DECODERS_ALONE = ("attention.encoder.bidirectional", "attention.cross.bidirectional")
"""Keys that no recipe can set to another value than their default."""


def words_beside(name: str) -> list[str]:
    if name.startswith("model.scratch.") and name != "model.scratch.architecture":
        return ["model.scratch.architecture=bert"]
    return [BESIDE[name]] if name in BESIDE else []


@pytest.mark.parametrize("name", [name for name, key in LEAVES.items() if key.name not in DECODERS_ALONE])
def test_the_example_of_every_key_can_be_composed_and_changes_it(name: str) -> None:
    key = LEAVES[name]
    words = [f"recipe={RECIPES.get(kinds_of(key), 'sst2')}", *words_beside(key.name)]
    (word,) = shlex.split(example_word(key))
    assert word.startswith((f"{key.name}=", "data.sources="))
    assert compose.compose([*words, word]) != compose.compose(words)


@pytest.mark.parametrize("name", LEAVES)
def test_every_key_is_explained(name: str) -> None:
    key = LEAVES[name]
    text = explain_keys(key.name)
    assert text.startswith(key.name)
    assert type_in_words(key) in text
    assert f"default:  {default_of(key) or 'none'}" in text
    assert f"example:  finetune run recipe=NAME {example_word(key)}" in text
    assert "another kind" not in text


SECTIONS = [key for key in recipe_keys() if own_sections(key.field.annotation)]


@pytest.mark.parametrize("key", SECTIONS, ids=lambda key: key.name)
def test_every_section_lists_its_keys(key: RecipeKey) -> None:
    lines = explain_keys(key.name).splitlines()
    listed = {line.split()[0] for line in lines if line.startswith("  ") and line.strip()}
    for section in own_sections(key.field.annotation):
        assert section.model_fields.keys() <= listed


def test_without_a_key_the_sections_are_listed() -> None:
    text = explain_keys()
    for name in (*Recipe.model_fields, "recipe"):
        assert f"\n  {name} " in text


def test_a_key_of_several_tasks_is_explained_for_each() -> None:
    text = explain_keys("task.max_length")
    assert "task.max_length (text_classification)" in text
    assert "task.max_length (token_classification)" in text
    assert "task.prefix (text_to_text, translation)" in explain_keys("task.prefix")
    assert explain_keys("task.kind").count("task.kind\n") == 1


def test_choices_and_the_base_of_a_recipe_are_explained() -> None:
    assert "choices:  linear, cosine, constant" in explain_keys("training.schedule")
    assert "sst2" in explain_keys("recipe")
    assert explain_keys("--training.epochs=3") == explain_keys("training.epochs")


def test_the_filter_is_shown_by_examples() -> None:
    text = explain_keys("data.filter")
    assert "data.filter=len(text.split()) <= 100" in text
    assert "Methods of text: startswith" in text
    assert quoted("a='b'") == "\"a='b'\""
    assert shlex.split(quoted("a=\"b\" 'c'")) == ["a=\"b\" 'c'"]


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("lr", "finetune help training.learning_rate"),
        ("epochs", "finetune help training.epochs"),
        ("max_length", "finetune help task.max_length or finetune help task.max_source_length"),
        ("training.epoch", "finetune help training.epochs"),
        ("trainin", "finetune help training"),
        ("zzz", "finetune help lists the sections and their keys"),
        ("do_train", "leave it out"),
    ],
)
def test_near_misses_are_suggested(name: str, fix: str) -> None:
    with pytest.raises(UserError, match=f"{name} is not a key of a recipe") as caught:
        explain_keys(name)
    assert fix in str(caught.value.fix)


def test_a_command_explains_itself() -> None:
    assert explain_keys("run", ["run"]) == "finetune run --help explains the command of that name."
    both = explain_keys("attention", ["attention"])
    assert both.startswith("attention\n")
    assert both.endswith("finetune attention --help explains the command of that name.")
