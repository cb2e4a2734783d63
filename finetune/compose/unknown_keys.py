"""Keys that are none of a recipe's: what is meant by them, by spelling or by the names of other tools."""

from finetune.compose.other_tools import MEANT, NOT_NEEDED
from finetune.compose.recipe_keys import find_keys, keys, own_sections
from finetune.compose.type_words import describe
from finetune.errors import UserError, nearest
from finetune.recipe import TaskSection


def unknown_key(key: str, value: str = "...", task: type[TaskSection] | None = None) -> UserError:
    """Return the error for a key that no recipe has.

    Args:
        key: The key as it was given, with or without dashes before it.
        value: Its value, as it is written after `key=`.
        task: The section of the recipe's task, by whose keys a name with several meanings is understood; None where it
            is not known.
    """
    name = key.lstrip("-").replace("-", "_")
    found = f"{key}={value}"
    if name in NOT_NEEDED:
        return UserError(f"{key} is not a key of a recipe", found=found, fix=NOT_NEEDED[name])
    if meant := _fitting(meant_keys(name), task):
        called = " or ".join(one.partition("=")[0] for one in meant)
        written = " or ".join(one if "=" in one else f"{one}={value}" for one in meant)
        return UserError(
            f"{key} is not a key of a recipe; here it is called {called}", found=found, fix=f"write {written}"
        )
    near = near_key(name)
    fix = f"did you mean {near}?" if near else "finetune help lists the sections and their keys"
    return UserError(f"{key} is not a key of a recipe", found=found, fix=fix)


def meant_keys(name: str) -> tuple[str, ...]:
    """Return the keys that a name of another tool, or a key without its section, stands for; none if it is unknown.

    Args:
        name: The name without dashes before it, and with underscores.
    """
    if name in MEANT:
        return MEANT[name]
    known = dict.fromkeys(keys())
    if name in known:
        return (name,)
    alike = tuple(key for key in known if "." in key and key.rpartition(".")[2] == name)
    return alike if len(alike) == 1 else ()


def _fitting(meant: tuple[str, ...], task: type[TaskSection] | None) -> tuple[str, ...]:
    """Return those of several keys that go with the task, or all where none does."""
    fitting = (key for key in meant if task is None or not key.startswith("task.") or key[5:] in task.model_fields)
    return tuple(fitting) or meant


def near_key(name: str) -> str | None:
    """Return the key whose spelling is nearest, or which ends in the same word; None if none is near."""
    known = list(dict.fromkeys(keys()))
    last = name.rpartition(".")[2]
    near = nearest(name, known) or next((key for key in known if key.rpartition(".")[2] == last), None)
    if near is None and (end := nearest(last, [key.rpartition(".")[2] for key in known])):
        near = next(key for key in known if key.rpartition(".")[2] == end)
    return near


def part_of_value(key: str, value: str) -> UserError | None:
    """Return the error for a key within a list or a mapping, whose items have no keys of their own; None for others.

    Args:
        key: The key: `data.sources.weight`, `training.class_weights.spam`.
        value: Its value, as it is written after `key=`.
    """
    parts = key.split(".")
    for count in range(1, len(parts)):
        outer, inner = ".".join(parts[:count]), ".".join(parts[count:])
        found = find_keys(outer)
        if found and not any(own_sections(one.field.annotation) for one in found):
            whole = f"[{{{inner}: {value}, ...}}]" if found[0].sections else f"{{{inner}: {value}}}"
            takes = describe(found[0].annotation)
            takes_parts = bool(found[0].sections) or "mapping" in takes
            return UserError(
                f"{outer} is one value, whose parts are not keys",
                expected=takes,
                found=f"{key}={value}",
                where=key,
                fix=f"give it as a whole: {outer}={whole}" if takes_parts else f"leave .{inner} out: {outer}={value}",
            )
    return None
