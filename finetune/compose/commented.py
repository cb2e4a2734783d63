"""A recipe as YAML in which a comment above each key says what it is."""

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from finetune.compose.descriptions import choices_of, description_of, first_sentence
from finetune.compose.recipe_keys import RecipeKey
from finetune.compose.yaml_values import dump_yaml
from finetune.recipe import Recipe

_WIDTH = 100


def commented_yaml(recipe: Recipe) -> str:
    """Return the whole recipe as YAML with comments, which `recipe=that.yaml` runs again.

    `allow_code` is left out, since a file cannot allow its own code.
    """
    tree = recipe.model_dump(mode="json", exclude={"allow_code"})
    return "\n".join(_lines(recipe, tree, "")) + "\n"


def _lines(section: BaseModel, tree: dict[str, Any], prefix: str) -> Iterator[str]:
    indent = "  " * prefix.count(".")
    for name, value in tree.items():
        inner = getattr(section, name)
        key = RecipeKey(prefix + name, type(section), type(section).model_fields[name])
        is_section = isinstance(inner, BaseModel)
        if is_section and not prefix:
            yield ""
        yield from textwrap.wrap(_comment(key), _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        if is_section:
            yield f"{indent}{name}:"
            yield from _lines(inner, value, f"{key.name}.")
        else:
            yield textwrap.indent(dump_yaml({name: value}), indent).rstrip("\n")


def _comment(key: RecipeKey) -> str:
    """Return what is said of a key: the first sentence of its docstring, and its choices."""
    named = choices_of(key)
    return first_sentence(description_of(key)) + (f" One of {named}." if named else "")
