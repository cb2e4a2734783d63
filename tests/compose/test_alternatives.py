"""Keys of which a recipe follows one replace one another, and two of them at once are refused."""

from pathlib import Path

import pytest

from finetune import compose
from finetune.recipe import Data, Model
from tests.compose.recipes import message

MODELS = {"name": "owner/model", "sample": "minilm", "scratch": "{architecture: bert}"}
DATA = {
    "function": "mine.py:load",
    "path": "a.csv",
    "name": "owner/data",
    "sample": "sentiment",
    "sources": "[{path: b.csv}]",
}
PAIRS = [("model", MODELS, old, new) for old in MODELS for new in MODELS if old != new]
PAIRS += [("data", DATA, old, new) for old in DATA for new in DATA if old != new]


@pytest.mark.parametrize(("section", "values", "old", "new"), PAIRS)
def test_an_override_replaces_what_the_recipe_has(
    section: str, values: dict[str, str], old: str, new: str, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(compose.to_yaml(compose.compose(["recipe=sst2", f"{section}.{old}={values[old]}"])))
    recipe = compose.compose([str(path), f"{section}.{new}={values[new]}"])
    given = getattr(recipe, section)
    assert {name for name in values if getattr(given, name)} == {new}


@pytest.mark.parametrize(("section", "values", "old", "new"), PAIRS)
def test_two_on_one_command_line_are_refused(section: str, values: dict[str, str], old: str, new: str) -> None:
    text = message(["recipe=sst2", f"{section}.{old}={values[old]}", f"{section}.{new}={values[new]}"])
    assert "are both given" in text
    assert f"{section}.{old}" in text
    assert f"{section}.{new}" in text
    assert values[new].strip("[]{}") in text


def test_the_sections_declare_their_alternatives() -> None:
    assert set(Model.alternatives) == set(MODELS)
    assert set(Data.alternatives) == set(DATA)


def test_a_key_within_one_of_them_chooses_it() -> None:
    recipe = compose.compose(["recipe=sst2", "model.scratch.architecture=bert", "model.scratch.size=tiny"])
    assert (recipe.model.name, recipe.model.description) == (None, "bert-tiny from scratch")
    assert "model.name and model.scratch are both given" in message(
        ["recipe=sst2", "model.name=a", "model.scratch.architecture=bert"]
    )


def test_null_chooses_none_and_says_what_to_leave_out() -> None:
    recipe = compose.compose(["recipe=sst2", "model.name=null", "model.scratch.architecture=bert"])
    assert recipe.model.scratch is not None
    recipe = compose.compose(["recipe=sst2", "data.path=a.csv", "data.name=null", "data.sources=[]"])
    assert recipe.data.path == "a.csv"


def test_the_other_splits_go_with_the_file_that_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    words = ["recipe=sst2", "data.path=a.csv", "data.dev_path=b.csv"]
    path.write_text(compose.to_yaml(compose.compose(words)))
    assert compose.compose([str(path), "data.name=owner/data"]).data.dev_path is None
    assert compose.compose([str(path), "data.path=c.csv"]).data.dev_path == "b.csv"
    assert "dev_path and test_path need path" in message([str(path), "data.name=owner/data", "data.dev_path=d.csv"])


def test_a_whole_section_replaces_all_of_it() -> None:
    recipe = compose.compose(["recipe=sst2", "data={path: a.csv, name: owner/data}"])
    assert (recipe.data.path, recipe.data.name) == ("a.csv", "owner/data")
