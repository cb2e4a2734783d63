"""A recipe with other values for some of its keys."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from finetune.compose.alternatives import clear_alternatives, several_alternatives
from finetune.compose.complaints import shown, translate
from finetune.compose.recipe_keys import key_exists, own_sections
from finetune.compose.unknown_keys import part_of_value, unknown_key
from finetune.compose.yaml_values import written
from finetune.errors import UserError, raise_all
from finetune.recipe import Recipe, find_task
from finetune.recipe.changes import find_changes
from finetune.recipe.data_sets import unknown_data_sets

_SAMPLE = "data.sample"


def override(recipe: Recipe, overrides: Mapping[str, Any], where: str | None = None) -> Recipe:
    """Return a copy of `recipe` with dotted keys set to new values.

    Keys of which a recipe follows one, such as `model.name` and `model.scratch`, replace one another.

    Args:
        recipe: The recipe.
        overrides: The new values by dotted keys.
        where: The file that holds the new values, for messages; None where they are the user's words.

    Raises:
        UserError: Unknown keys or wrong values, all at once.
    """
    errors = [*_contradictions(overrides), *several_alternatives(overrides), *_nameless(overrides)]
    raise_all([_located(error, where) for error in errors])
    parts = {key: error for key in overrides if (error := part_of_value(key, written(overrides[key])))}
    errors += [_located(error, where) for error in parts.values()]
    overrides = {key: value for key, value in overrides.items() if key not in parts}
    tree = _overridden(recipe, overrides)
    unknown = [key for key in overrides if not key_exists(key)]
    task = find_task(str(overrides.get("task.kind", recipe.task.kind)))
    errors += [_located(unknown_key(key, written(overrides[key]), task), where) for key in unknown]
    errors += unknown_data_sets({key: name for key, name in overrides.items() if key == _SAMPLE and _is_name(name)})
    try:
        resolved = validate(tree)
    except ValidationError as error:
        translated = zip(translate(error), translate(error, where, overrides), strict=True)
        errors += [wrong for keyed, wrong in translated if not _is_told(keyed.where or "", unknown)]
    raise_all(errors)
    changes = find_changes(recipe.model_dump(mode="json"), resolved.model_dump(mode="json"), overrides)
    return resolved.with_file_keys(recipe.file_keys.without(overrides)).with_changes(recipe.changes.then(changes))


def from_tree(tree: Mapping[str, Any], name: str, where: str | None = None) -> Recipe:
    """Return the recipe that nested keys and values make.

    Args:
        tree: The sections by name: `{"task": {"kind": ...}, "model": {...}, "data": {...}}`.
        name: The recipe's name, where the tree has none.
        where: What holds the tree, for messages; the key where None.

    Raises:
        UserError: Unknown keys or wrong values, all at once.
    """
    try:
        return validate({**tree, "name": tree.get("name") or name})
    except ValidationError as error:
        raise_all(translate(error, where=where))
        raise


def validate(tree: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a tree of keys.

    Raises:
        ValidationError: Keys are unknown or values wrong.
        UserError: A text holds half of a surrogate pair, at which pydantic's messages fail.
    """
    try:
        return Recipe.model_validate(tree)
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.end]
        raise UserError(
            "a value holds characters that no text can hold",
            expected="characters of Unicode, without halves of surrogate pairs",
            found=ascii(half),
            fix="write the character itself in place of its \\u escapes",
        ) from error


def flat_keys(tree: Mapping[Any, Any], sections: Sequence[type[BaseModel]] = (Recipe,)) -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys and the values of nested sections; a mapping that is no section is a value."""
    for name, value in tree.items():
        fields = [one.model_fields[name] for one in sections if name in one.model_fields]
        inner = own_sections(fields[0].annotation) if fields else ()
        if inner and value and isinstance(value, Mapping):
            yield from ((f"{name}.{key}", one) for key, one in flat_keys(value, inner))
        else:
            yield str(name), value


def _overridden(recipe: Recipe, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a recipe as a tree, with the new values in it."""
    tree = recipe.model_dump(mode="json")
    kind = overrides.get("task.kind", recipe.task.kind)
    other = None if kind == recipe.task.kind or not isinstance(kind, str) else find_task(kind)
    if other is not None:
        tree["task"] = {key: value for key, value in tree["task"].items() if key in other.model_fields}
    clear_alternatives(tree, overrides)
    for key, value in overrides.items():
        path = key.split(".")
        section: dict[str, Any] = tree
        for part in path[:-1]:
            if not isinstance(section.get(part), dict):
                section[part] = {}
            section = section[part]
        section[path[-1]] = value
    return tree


def _located(error: UserError, where: str | None) -> UserError:
    if where is None:
        return error
    return UserError(error.problem, expected=error.expected, found=error.found, where=where, fix=error.fix)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _contradictions(overrides: Mapping[str, Any]) -> list[UserError]:
    """Return an error for each key that is given together with one inside it: the one would undo the other."""
    return [
        UserError(
            f"{outer} and {inner} are both given",
            found=f"{outer}={shown(overrides[outer])} and {inner}={shown(overrides[inner])}",
            fix=_one_of_both(outer, inner, overrides),
        )
        for inner in overrides
        for outer in overrides
        if inner.startswith(outer + ".")
    ]


def _one_of_both(outer: str, inner: str, overrides: Mapping[str, Any]) -> str:
    """Return what to write in place of a section and a key in it."""
    value, part = overrides[outer], inner.removeprefix(f"{outer}.")
    alone = f"leave {outer}=... out; {inner}={shown(overrides[inner])} sets that key alone"
    if isinstance(value, Mapping) and "." not in part:
        return f"{alone}; or give all as one: {outer}={written({**value, part: overrides[inner]})}"
    return alone


def _nameless(overrides: Mapping[str, Any]) -> list[UserError]:
    """Refuse an empty name: a recipe without one of its own takes that of its module, not that of no folder."""
    if overrides.get("name", "given") != "":
        return []
    return [UserError("the run has no name", found="name=", fix="name=my_run, say, or leave name out")]


def _is_told(where: str, unknown: Sequence[str]) -> bool:
    """Return whether a complaint is about one of the unknown keys, or about a section that only they brought in."""
    return any(key == where or key.startswith(where + ".") for key in unknown) if where else False
