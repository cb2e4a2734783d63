"""Recipes without local paths, which may be published."""

from pathlib import Path
from typing import Any

from finetune import compose
from finetune.recipe import Hub, Recipe
from finetune.recipe.changes import Change, Changes

NAME_PARTS = 2
"""Number of parts of a name on the Hub, owner/name."""
EXACT = ("columns", "column_names", "delimiter", "labels")
"""Keys whose values are never paths, although a label may begin with a slash."""
HOME = ("/", "~", "./", "../")
"""Beginnings of local paths."""


def sanitized(recipe: Recipe) -> str:
    """Return a recipe as YAML that can be run again, without the folders of this machine.

    Of the paths of local data, models and functions only the last part is kept, because names of folders may contain
    names of people.
    """
    changes = {"output_dir": Path("runs"), "resume": None, "hub": Hub()}
    tree = recipe.model_copy(update=changes).model_dump(mode="json")
    for section in ("data", "model"):
        tree[section]["cache_dir"] = None
    return compose.to_yaml(Recipe.model_validate(_without_folders(tree)))


def published(changes: Changes) -> Changes:
    """Return changes without the folders of this machine, and without those of the section `hub`."""
    return Changes(
        tuple(
            Change(change.key, *(_at_key(change.key, value) for value in (change.before, change.after)))
            for change in changes.listed
            if change.key.split(".")[0] != "hub"
        )
    )


def _at_key(key: str, value: Any) -> Any:
    """Return the value of a dotted key without folders."""
    return value if set(key.split(".")) & set(EXACT) else _without_folders(value)


def _without_folders(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: inner if key in EXACT else _without_folders(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_folders(inner) for inner in value]
    return _last_part(value) if isinstance(value, str) else value


def _last_part(text: str) -> str:
    """Return the last part of a local path; other strings, a lone slash among them, are returned unchanged."""
    parts = len(Path(text).parts)
    is_local = (text.startswith(HOME) and parts > 1) or (text.count("/") >= NAME_PARTS and Path(text).exists())
    return Path(text).name if is_local else text
