"""Conversion of the arguments `recipe` and `overrides` to a `Recipe`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from finetune import compose, dotted_keys
from finetune.compose.recipe_keys import own_sections, recipe_keys
from finetune.errors import UserError
from finetune.recipe import Recipe

RecipeLike: TypeAlias = str | Path | Recipe | Mapping[str, Any] | None
"""A recipe's name, a path to a .py or .yaml file or to a run's folder, a Recipe, or its sections as nested mappings."""

Overrides: TypeAlias = Mapping[str, Any] | Sequence[str] | None
"""`{"training.epochs": 1}`, `{"training": {"epochs": 1}}`, or `["training.epochs=1"]` as on the command line."""


def resolve(recipe: RecipeLike, overrides: Overrides = None) -> Recipe:
    """Return the recipe with the overrides applied.

    Args:
        recipe: The recipe in any form; None means the recipe of the run that the override `resume` names.
        overrides: Values of keys of the recipe.

    Raises:
        UserError: There is no such recipe, or keys or values are wrong, all of which the message names.
    """
    changes = flatten(overrides)
    return compose.override(base_recipe(recipe, changes), changes)


def flatten(overrides: Overrides) -> dict[str, Any]:
    """Return overrides as dotted keys and values.

    A mapping as the value of a section changes the keys that it names, and no other keys of the section.

    Raises:
        UserError: The overrides are not a mapping or a list of strings, a key is not a string, or `recipe` is a key.
    """
    if overrides is None:
        return {}
    if isinstance(overrides, Mapping):
        flat = {key: _plain(value) for key, value in dotted_keys.flatten(_named(overrides), _sections()).items()}
    elif isinstance(overrides, str) or not all(isinstance(word, str) for word in overrides):
        raise UserError(
            "the overrides cannot be read",
            where="overrides",
            expected='a dictionary {"training.epochs": 1}, or a list ["training.epochs=1"]',
            found=repr(overrides),
            fix=f"[{overrides!r}]" if isinstance(overrides, str) and "=" in overrides else None,
        )
    else:
        if overrides and "=" not in overrides[0]:
            raise UserError(f"{overrides[0]!r} is not of the form key=value", where="overrides")
        flat = compose.parse_overrides(overrides)
    if "recipe" in flat:
        raise UserError("recipe is not an override", where="overrides", fix="give it as the first argument")
    return flat


def _sections() -> dotted_keys.Inner:
    """Return a function that tells sections from mappings that are values, such as class weights."""
    sections = frozenset(key.name for key in recipe_keys() if own_sections(key.field.annotation))

    def section(key: str, value: Any) -> Mapping[Any, Any] | None:
        return _named(value) if isinstance(value, Mapping) and key in sections else None

    return section


def _named(tree: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return the mapping.

    Raises:
        UserError: One of its names is not a string.
    """
    for name in tree:
        if not isinstance(name, str):
            raise UserError("a key of the overrides is not a string", where="overrides", found=repr(name))
    return tree


def _plain(value: Any) -> Any:
    """Return paths as strings, which all keys accept."""
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def base_recipe(recipe: RecipeLike, changes: Mapping[str, Any]) -> Recipe:
    """Return the recipe without the overrides.

    Args:
        recipe: The recipe in any form; None means the recipe of the run that the override `resume` names.
        changes: The overrides by dotted keys.

    Raises:
        UserError: There is no such recipe, or it is wrong.
    """
    if recipe is None:
        return compose.load_recipe(str(_recipe_of_run(changes.get("resume"))))  # it is whole, without a base
    if isinstance(recipe, Recipe):
        return recipe if recipe.name else recipe.model_copy(update={"name": recipe.task.kind})
    if isinstance(recipe, Mapping):
        task = recipe.get("task")
        kind = task.get("kind") if isinstance(task, Mapping) else getattr(task, "kind", None)
        return compose.from_tree(recipe, name=str(kind or "recipe"))
    if not isinstance(recipe, str | Path):
        raise UserError(
            "this is not a recipe",
            expected="a name, a path, a finetune.Recipe, or a dictionary of its sections",
            found=f"{type(recipe).__name__}: {recipe!r:.80}",
        )
    folder = Path(recipe).expanduser()
    is_run = (folder / "recipe.yaml").is_file()
    allow_code = changes.get("allow_code") is True
    return compose.load_recipe(str(folder / "recipe.yaml") if is_run else str(recipe), allow_code=allow_code)


def _recipe_of_run(folder: object) -> Path:
    if folder is None or folder == "auto":
        raise UserError(
            "no recipe is named",
            expected="a recipe, or the folder of a run to resume",
            fix=f'one of {", ".join(compose.recipe_names())}; or overrides={{"resume": "runs/<recipe>/<time>"}}',
        )
    path = Path(str(folder)) / "recipe.yaml"
    if not path.is_file():
        raise UserError(f"{folder} is not the folder of a run", where="resume", found="no recipe.yaml in it")
    return path
