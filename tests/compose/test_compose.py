"""A recipe and its overrides from the words of a command line."""

from pathlib import Path

import pytest

from finetune import compose
from tests.compose.recipes import message


@pytest.mark.parametrize("name", compose.recipe_names())
def test_every_shipped_recipe_composes_and_survives_yaml(name: str, tmp_path: Path) -> None:
    recipe = compose.compose([f"recipe={name}"])
    assert recipe.name == name
    assert recipe.summary
    path = tmp_path / "again.yaml"
    path.write_text(compose.to_yaml(recipe))
    assert compose.load_recipe(str(path)) == recipe


@pytest.mark.parametrize("name", compose.recipe_names())
def test_every_recipe_opens_with_its_command_and_is_short(name: str) -> None:
    text = (Path(compose.__file__).parents[2] / "recipes" / f"{name}.py").read_text()
    assert f"accelerate launch finetune/run.py recipe={name}" in text
    assert len(text.splitlines()) < 80


def test_the_first_word_may_be_the_recipe_alone(mine: str) -> None:
    assert compose.compose([mine]) == compose.compose([f"recipe={mine}"])


def test_a_key_without_its_section_is_found(mine: str) -> None:
    assert "write training.batch_size=2" in message([mine, "batch_size=2"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["recipe=sst2", "training"], "is not of the form key=value"),
        (["recipe=sst2", "seed=1", "seed=2"], "seed is given twice"),
        (["recipe=sst2", "data.labels=[a"], "is not YAML"),
        (["recipe=nowhere.py"], "nowhere.py does not exist"),
        (["recipe=nowhere.yaml"], "nowhere.yaml does not exist"),
        ([], "no recipe is named"),
        (["recipe=sst2", "model.name=null"], "exactly one of name, sample and scratch"),
        (["recipe=sst2", "data.name=null"], "one of path, name and sample is needed"),
        (["recipe=sst2", "data.dev_path=x.csv"], "dev_path and test_path need path"),
        (["recipe=sst2", "attention.encoder=window(3)", "attention.encoder.mask=full()"], "are both given"),
        (["recipe=../mine"], "there is no recipe '../mine'"),
        (["recipe=no.such.module"], "there is no recipe 'no.such.module'"),
    ],
)
def test_mistakes_in_words(words: list[str], expected: str) -> None:
    assert expected in message(words)


@pytest.mark.parametrize(
    "name",
    ["../../x", "/abs/x", "..", ".", "", "a/b", "a\\b", "C:x", '"two\\nlines"', '"a\\0"', ".hidden", '" x"', "x" * 101],
)
def test_a_name_is_that_of_one_folder(name: str) -> None:
    assert "name" in message(["recipe=sst2", f"name={name}"])


@pytest.mark.parametrize("name", ["sst2-large_3", "a run of mine (2)", "été.v1", "1"])
def test_a_name_may_be_any_folders(name: str) -> None:
    assert compose.compose(["recipe=sst2", f"name={name}"]).name == name
