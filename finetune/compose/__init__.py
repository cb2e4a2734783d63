"""From a recipe's name and `key=value` overrides to a `Recipe`.

A recipe is named by its module in recipes/, by a path to a .py or .yaml file, or by a dotted module that can be
imported. Overrides are `dotted.key=value` with values in YAML. All mistakes are collected and shown together.
"""

from collections.abc import Sequence
from pathlib import Path

from finetune.compose.commented import commented_yaml
from finetune.compose.explaining import explain_keys
from finetune.compose.finding import load_recipe, recipe_names, source
from finetune.compose.overriding import from_tree, override
from finetune.compose.recipe_keys import keys
from finetune.compose.unknown_commands import unknown_command
from finetune.compose.words import parse_overrides
from finetune.compose.yaml_values import dump_yaml
from finetune.errors import UserError, raise_all
from finetune.recipe import Recipe
from finetune.recipe.code import data_sets_named
from finetune.recipe.data_sets import unknown_data_sets

__all__ = [
    "DEFAULT_RECIPE",
    "commented_yaml",
    "compose",
    "explain_keys",
    "from_tree",
    "keys",
    "load_recipe",
    "override",
    "parse_overrides",
    "recipe_names",
    "source",
    "to_yaml",
    "unknown_command",
]

DEFAULT_RECIPE = "sentiment_sample"


def compose(arguments: Sequence[str], default: str | None = None) -> Recipe:
    """Resolve command-line words such as `recipe=sst2 training.epochs=1`.

    Args:
        arguments: Words of the form `key=value`; a first word without `=` is taken as the recipe.
        default: Recipe to take where none is named.

    Raises:
        UserError: A word, the recipe or some of its values are wrong; all of them are told at once.
    """
    overrides = parse_overrides(arguments)
    name = overrides.pop("recipe", _recipe_of_run(overrides.get("resume")) or default)
    if not isinstance(name, str):
        raise UserError("no recipe is named", expected="recipe=NAME", fix=f"one of: {', '.join(recipe_names())}")
    recipe = override(load_recipe(name, allow_code=overrides.get("allow_code") is True), overrides)
    if recipe.resume is None:  # a run that is resumed may have only to be published, without its data
        raise_all(unknown_data_sets({named.key: named.name for named in data_sets_named(recipe.data)}))
    return recipe


def _recipe_of_run(folder: object) -> str | None:
    """Return the recipe that a run's folder holds, where `folder` is one."""
    path = Path(str(folder)) / "recipe.yaml"
    try:
        return str(path) if path.is_file() else None
    except OSError:  # the name is longer than the file system allows
        return None


def to_yaml(recipe: Recipe) -> str:
    """Return the whole recipe as YAML, which `recipe=that.yaml` runs again.

    `allow_code` is left out, since a file cannot allow its own code.
    """
    return dump_yaml(recipe.model_dump(mode="json", exclude={"allow_code"}))
