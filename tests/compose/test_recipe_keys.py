"""The keys of a recipe: all of them, each task's included, and the sections they are in."""

from pathlib import Path

import pytest

from finetune import compose
from finetune.compose.recipe_keys import (
    RecipeKey,
    find_keys,
    key_exists,
    keys,
    own_sections,
    places_of_sections,
    recipe_keys,
)
from finetune.errors import UserError
from finetune.recipe import Adapter, Data, MixtureSource, Recipe, TaskSection
from finetune.recipe.base import is_list

LISTS = [key for key in recipe_keys() if is_list(key.field.annotation)]


def test_keys_of_sections_tasks_and_lists_are_named() -> None:
    known = set(keys())
    assert {"seed", "training", "training.epochs", "task.num_beams", "task.stride", "data.sources.weight"} <= known
    assert key_exists("training.epochs")
    assert not key_exists("training.epoch")
    assert [key.section.__name__ for key in find_keys("task.max_length")] == [
        "TextClassification",
        "TokenClassification",
    ]


def test_a_section_is_told_from_a_list_of_sections() -> None:
    fields = Recipe.model_fields
    assert own_sections(fields["adapter"].annotation) == (Adapter,)
    assert all(issubclass(one, TaskSection) for one in own_sections(fields["task"].annotation))
    assert own_sections(Data.model_fields["sources"].annotation) == ()
    assert own_sections(int) == ()


def test_each_section_has_a_place() -> None:
    places = places_of_sections()
    assert places["MixtureSource"] == ("data.sources", MixtureSource)
    assert places["Recipe"] == ("", Recipe)


def test_the_keys_that_take_lists() -> None:
    assert {key.name for key in LISTS} >= {
        "training.trackers", "training.freeze", "evaluation.metrics", "data.labels", "data.sources", "hub.languages",
        "adapter.targets", "data.column_names",
    }  # fmt: skip


@pytest.mark.parametrize("key", [key for key in LISTS if "sources." not in key.name], ids=lambda key: key.name)
def test_one_value_is_a_list_of_one(key: RecipeKey) -> None:
    value = {"training.trackers": "wandb", "data.sources": "{path: a.csv}"}.get(key.name, "bleu")
    listed = compose.compose(["recipe=sst2", f"{key.name}=[{value}]"])
    assert compose.compose(["recipe=sst2", f"{key.name}={value}"]) == listed
    assert listed != compose.load_recipe("sst2")


def test_one_value_is_a_list_of_one_in_a_section_within_a_list() -> None:
    recipe = compose.compose(["recipe=sst2", "data.sources=[{path: a.csv, column_names: text}]"])
    assert recipe.data.sources[0].column_names == ("text",)


def test_a_folder_may_be_named_by_a_number() -> None:
    assert compose.compose(["recipe=sst2", "output_dir=2026"]).output_dir == Path("2026")
    with pytest.raises(UserError, match="output_dir is wrong"):
        compose.compose(["recipe=sst2", "output_dir=true"])
