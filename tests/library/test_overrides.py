"""Recipes and overrides in the forms that programs have them in."""

from pathlib import Path
from typing import Any

import pytest

from finetune import compose
from finetune.attention import parse
from finetune.errors import UserError
from finetune.library.overrides import flatten, resolve
from finetune.recipe import Recipe

SST2 = compose.load_recipe("sst2")


def test_the_forms_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(compose.to_yaml(SST2))
    for given in ("sst2", "recipes.sst2", SST2, SST2.model_dump(), path, str(path), tmp_path, str(tmp_path)):
        assert resolve(given) == SST2, given


def test_a_recipe_without_a_name_has_that_of_its_task() -> None:
    tree: dict[str, Any] = {"task": {"kind": "translation"}, "model": {"name": "t5-small"}, "data": {"path": "a.csv"}}
    assert resolve(tree).name == "translation"
    assert resolve(Recipe.model_validate(tree)).name == "translation"


def test_the_recipe_of_the_run_that_goes_on(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(compose.to_yaml(SST2))
    assert resolve(None, {"resume": tmp_path}) == SST2.model_copy(update={"resume": str(tmp_path)})


def test_the_forms_of_overrides() -> None:
    expected = resolve("sst2", ["training.epochs=7", "training.learning_rate=1e-3"])
    assert expected.training.epochs == 7
    assert expected.training.batch_size == SST2.training.batch_size
    assert resolve("sst2", {"training.epochs": 7, "training.learning_rate": 1e-3}) == expected
    assert resolve("sst2", {"training": {"epochs": 7, "learning_rate": 1e-3}}) == expected
    assert resolve("sst2", None) == resolve("sst2", {}) == resolve("sst2", []) == SST2


def test_values_are_python_objects() -> None:
    mask = parse("window(4) | global_tokens(cls)")
    given = {"attention": {"encoder": mask}, "output_dir": Path("elsewhere"), "data.labels": ("bad", "good")}
    resolved = resolve("sst2", given)
    assert resolved.attention.program.encoder.mask == mask
    assert resolved.output_dir == Path("elsewhere")
    assert resolved.data.labels == ("bad", "good")


def test_mappings_that_are_values_stay_whole() -> None:
    layers = {"0-1": "window(3)", "-1": "full()"}
    assert flatten({"attention": {"encoder": {"layers": layers}}}) == {"attention.encoder.layers": layers}
    assert flatten({"training": {"class_weights": {"a.b": 2.0}}}) == {"training.class_weights": {"a.b": 2.0}}


def test_one_source_is_a_list_of_one() -> None:
    expected = resolve("sst2", {"data.sources": [{"path": "a.csv"}]})
    assert resolve("sst2", {"data": {"sources": {"path": "a.csv"}}}) == expected
    assert resolve("sst2", {"data": {"sources": [{"path": "a.csv"}]}}) == expected


@pytest.mark.parametrize(
    ("recipe", "overrides", "problem", "hint"),
    [
        ("sst3", None, "there is no recipe 'sst3'", "did you mean recipe=sst2?"),
        (None, None, "no recipe is named", "sst2"),
        (None, {"resume": "auto"}, "no recipe is named", "the folder of a run"),
        (None, {"resume": "no/such/run"}, "no/such/run is not the folder of a run", "no recipe.yaml"),
        (3, None, "this is not a recipe", "int: 3"),
        ({"task": {"kind": "translation"}, "model": {}}, None, "data is missing", "expected"),
        ("sst2", "training.epochs=1", "the overrides cannot be read", "['training.epochs=1']"),
        ("sst2", ["epochs"], "'epochs' is not of the form key=value", "overrides"),
        ("sst2", [("training.epochs", 1)], "the overrides cannot be read", "a dictionary"),
        ("sst2", {1: 2}, "a key of the overrides is not a string", "found:    1"),
        ("sst2", {"recipe": "mrpc"}, "recipe is not an override", "first argument"),
        ("sst2", {"training": {"epoch": 1}}, "training.epoch is not a key", "did you mean training.epochs?"),
        ("sst2", {"training.epochs": "many"}, "training.epochs is wrong", "'many'"),
    ],
)
def test_mistakes(recipe: Any, overrides: Any, problem: str, hint: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(recipe, overrides)
    assert problem in str(caught.value)
    assert hint in str(caught.value)
