"""What pydantic finds wrong, in the words of this project: the key, what it takes, and what was found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema

from finetune.compose.recipe_keys import key_exists, own_sections, places_of_sections, type_of
from finetune.compose.type_words import allows_null, describe, key_list
from finetune.compose.unknown_keys import unknown_key
from finetune.compose.yaml_values import written
from finetune.errors import UserError, nearest
from finetune.recipe import Recipe, TaskSection, task_kinds, task_sections
from finetune.recipe.base import alternatives_of, is_list

_LONGEST_VALUE = 200
"""Characters of a wrong value that a message shows."""
_PYDANTICS_OWN = frozenset(get_args(core_schema.ErrorType))
"""Kinds of errors whose messages are pydantic's; others come from the validators of a section."""
_OWN_MESSAGES = ("value_error", "assertion_error")


@dataclass(frozen=True)
class _Place:
    """Where in a recipe an error is: the key, in words, and the type that is expected there."""

    key: str
    annotation: Any


def translate(
    error: ValidationError, where: str | None = None, given: Mapping[str, Any] | None = None
) -> list[UserError]:
    """Return each of pydantic's complaints in the words of this project, one for each key.

    Args:
        error: The complaints.
        where: The file that holds the wrong values; the key where None.
        given: The overrides by dotted keys, which are shown where a section's keys do not go together.
    """
    prefix, root = places_of_sections().get(error.title, ("", Recipe))
    translated: dict[str, UserError] = {}
    for detail in error.errors():
        place = _find(root, prefix, detail["loc"])
        key = place.key if detail["type"] not in _OWN_MESSAGES else f"{place.key}: {detail['msg']}"
        translated.setdefault(key, _in_words(place, dict(detail), where, given or {}))
    return list(translated.values())


def shown(value: object) -> str:
    """Return a value for a message, as YAML has it, cut where it is long."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    is_plain = isinstance(value, dict | list | int | float)
    text = written(value) if is_plain else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _find(root: type[BaseModel], prefix: str, location: Sequence[int | str]) -> _Place:
    """Follow the parts of a location as far as they are keys, items of lists, or names in a mapping."""
    place = _Place(prefix, root)
    for part in location:
        following = _next(place, part)
        if following is None:
            break
        place = following
    return place


def _next(place: _Place, part: int | str) -> _Place | None:
    sections = own_sections(place.annotation)
    if sections:
        if list(alternatives_of(place.annotation)) == [TaskSection] and part in task_sections():
            return _Place(place.key, task_sections()[str(part)])  # pydantic puts the union's tag there
        field = next((one.model_fields[str(part)] for one in sections if part in one.model_fields), None)
        name = f"{place.key}.{part}" if place.key else str(part)
        return _Place(name, Any if field is None else type_of(field))
    containers = [one for one in alternatives_of(place.annotation) if get_origin(one) in (tuple, list, dict)]
    if len(containers) != 1 or len(list(alternatives_of(place.annotation))) != 1:
        return None  # of a union, pydantic names the member, which no user wrote
    if isinstance(part, int):
        return _Place(f"{place.key}[{part}]", get_args(containers[0])[0])
    if part == "[key]" or get_origin(containers[0]) is not dict:
        return None
    return _Place(f"{place.key}.{part}", get_args(containers[0])[1])


def _in_words(place: _Place, detail: dict[str, Any], where: str | None, given: Mapping[str, Any]) -> UserError:
    key, kind, found = place.key, detail["type"], detail["input"]
    if kind == "extra_forbidden":
        return _extra(key, found, detail["loc"][-1], where)
    if kind == "missing":
        beside = _given_in(key.rpartition(".")[0], given) if "." in key else None
        return UserError(f"{key} is missing", expected=describe(place.annotation), found=beside, where=where or key)
    if kind.startswith("union_tag"):
        return _kind_of_task(detail, where)
    if kind in _OWN_MESSAGES or _is_of_a_validator(detail):
        message = detail["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        values = _given_in(key, given) or (None if isinstance(found, dict | BaseModel) else shown(found))
        told = values is None or values in message or shown(found) in message
        return UserError(f"{key}: {message}" if key else message, found=None if told else values, where=where)
    if own_sections(place.annotation) and not isinstance(found, dict):
        return _not_a_section(place, found, where)
    expected = describe(place.annotation)
    return UserError(
        f"{key} is wrong", expected=expected, found=shown(found), where=where or key, fix=_fix(place, found)
    )


def _is_of_a_validator(detail: Mapping[str, Any]) -> bool:
    """Return whether a message was written for a section's own validator, and not by pydantic."""
    return detail["type"] not in (*_PYDANTICS_OWN, "out_of_range") and not detail["msg"].startswith("Input ")


def _given_in(place: str, given: Mapping[str, Any]) -> str | None:
    """Return the overrides of a section and its keys, which together were found wrong; None where there are none."""
    section = place.partition("[")[0]
    inside = (key for key in given if not section or key == section or key.startswith(f"{section}."))
    return ", ".join(f"{key}={shown(given[key])}" for key in inside) or None


def _extra(key: str, value: object, last: object, where: str | None) -> UserError:
    if "." in str(last) and key_exists(key):
        return written_with_dots(key, value, where)
    if key_exists(key):
        return UserError(
            f"{key} does not go with this recipe's task", found=f"{key}={shown(value)}", where=where or key
        )
    unknown = unknown_key(key, shown(value))
    return UserError(unknown.problem, found=unknown.found, fix=unknown.fix, where=where or key)


def written_with_dots(key: str, value: object, where: str | None) -> UserError:
    """Return the error for a key with dots in a file, in which sections are nested."""
    section, _, name = key.rpartition(".")
    nested = f"{section.replace('.', ': {')}: {{{name}: {shown(value)}}}{'}' * section.count('.')}"
    return UserError(f"{key} is written with dots in a file", found=f"{key}: {shown(value)}", where=where, fix=nested)


def _kind_of_task(detail: Mapping[str, Any], where: str | None) -> UserError:
    """Return the error for a task whose kind is unknown or not given."""
    kinds, section = task_kinds(), detail["input"]
    expected = f"one of {', '.join(map(repr, kinds))}"
    if not isinstance(section, dict):
        return _not_a_section(_Place("task", TaskSection), section, where)
    if "kind" not in section:
        return UserError("task.kind is missing", expected=expected, found=shown(section), where=where or "task.kind")
    near = nearest(str(section["kind"]), kinds)
    fix = f"did you mean task.kind={near}?" if near else None
    found = shown(section["kind"])
    return UserError("task.kind is wrong", expected=expected, found=found, where=where or "task.kind", fix=fix)


def _not_a_section(place: _Place, found: object, where: str | None) -> UserError:
    sections = own_sections(place.annotation)
    first = next(name for name in sections[0].model_fields)
    null = ", or null" if allows_null(place.annotation) else ""
    short = "".join(f"{form}, or " for one in sections if (form := getattr(one, "short_form", "")))
    return UserError(
        f"{place.key} is a section, which takes keys and their values",
        expected=f"{short}the keys {key_list(sections, longest=10_000)}{null}",
        found=shown(found),
        where=where or place.key,
        fix=f"{place.key}.{first}=..., say; finetune help {place.key.partition('[')[0]} explains the keys",
    )


def _fix(place: _Place, found: object) -> str | None:
    if isinstance(found, bool) and str in alternatives_of(place.annotation):
        return f"to mean the word, put it in quotes: {place.key}='\"{shown(found)}\"'"
    is_item = place.key.endswith("]")
    if is_item and isinstance(found, str) and "," in found:
        return f"several are written in brackets: {place.key.rpartition('[')[0]}=[{found}]"
    if found == "" and is_list(place.annotation):
        return f"an empty list is {place.key}=[]"
    return None
