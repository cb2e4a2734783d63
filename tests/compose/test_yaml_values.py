"""Values in YAML: words stay words, numbers numbers, and what is written is read back."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from finetune import compose
from finetune.compose.yaml_values import RecipeLoader, dump_yaml, parse_value, written
from finetune.recipe import Recipe


def test_yaml_words_that_old_yaml_takes_for_truth_or_time_stay_words(mine: str) -> None:
    recipe = compose.compose([mine, "data.columns.text=no", "data.columns.label=2026-01-01", "data.name=1"])
    assert (recipe.data.columns.text, recipe.data.columns.label, recipe.data.name) == ("no", "2026-01-01", "1")


def test_nothing_after_the_sign_is_an_empty_text_and_null_is_none() -> None:
    recipe = compose.compose(["recipe=wmt14", "task.prefix=", "data.config=null"])
    assert (recipe.task.prefix, recipe.data.config) == ("", None)  # type: ignore[attr-defined]
    assert compose.compose(["recipe=sst2", "data.columns.text=#1 String"]).data.columns.text == "#1 String"


def test_a_brace_pair_of_files_is_a_plain_word(mine: str) -> None:
    assert compose.compose([mine, "data.path=x/news.{en,de}"]).data.path == "x/news.{en,de}"


@pytest.mark.parametrize("value", ["1e5", "7e12345", "0123456", "1_000", "1:30", "no", "null", "true", "1.5", "", "#a"])
def test_words_that_look_like_numbers_survive_yaml(mine: str, tmp_path: Path, value: str) -> None:
    recipe = compose.override(compose.load_recipe(mine), {"data.labels": [value, "b"], "model.revision": value})
    path = tmp_path / "again.yaml"
    path.write_text(compose.to_yaml(recipe))
    again = compose.load_recipe(str(path))
    assert (again.data.labels, again.model.revision) == ((value, "b"), value)


@given(st.integers(0, 10**6), st.floats(1e-9, 1.0), st.booleans())
def test_any_resolved_recipe_survives_yaml(seed: int, rate: float, group: bool) -> None:
    recipe = compose.compose(
        ["recipe=sst2", f"seed={seed}", f"training.learning_rate={rate!r}", f"training.group_by_length={group}"]
    )
    assert recipe.training.learning_rate == rate
    tree = yaml.load(compose.to_yaml(recipe), RecipeLoader)  # noqa: S506 (a safe loader)
    assert Recipe.model_validate(tree) == recipe


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")), st.lists))
def test_what_is_written_is_read_back(value: object) -> None:
    assert parse_value(written([value])) == [value]
    assert yaml.load(dump_yaml({"key": value}), RecipeLoader) == {"key": value}  # noqa: S506 (a safe loader)


def test_numbers_are_written_short() -> None:
    assert (written(5e-05), written(True), written("a b"), written(Path("a"))) == ("5e-05", "true", "a b", "a")
