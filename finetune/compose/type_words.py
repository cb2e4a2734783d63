"""Types of keys in plain words: what a message expects, and what an explanation says of a key."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from finetune.compose.recipe_keys import own_sections
from finetune.recipe import Section, TaskSection
from finetune.recipe.base import NumberRange, alternatives_of

_PLAIN = {int: "a whole number", float: "a number", str: "a text", Path: "a path"}
_PLURALS = {bool: "values true or false", int: "whole numbers", float: "numbers", str: "texts", Path: "paths"}
_MOST_KEYS = 60
"""Characters of a list of keys in a message, beyond which it ends with ..."""
_LIMITS = {"gt": "greater than {}", "ge": "at least {}", "lt": "less than {}", "le": "at most {}"}
_LENGTHS = {"min_length": "at least {}", "max_length": "at most {}"}


def describe(annotation: Any) -> str:
    """Return the values that a type allows: `a whole number from 1 to 10`, `one of 'a', 'b', or null`."""
    parts = [*_alternatives(annotation), *(["null"] if allows_null(annotation) else [])]
    last = parts.pop()
    if not parts:
        return last
    comma = "," if len(parts) > 1 or "," in parts[0] else ""
    return f"{', '.join(parts)}{comma} or {last}"


def choices(annotation: Any) -> tuple[Any, ...]:
    """Return the values of which a key, or each item of its list, takes one; none where there is no such set."""
    found: list[Any] = []
    for one in alternatives_of(annotation):
        if get_origin(one) is Literal:
            found += get_args(one)
        elif get_origin(one) in (tuple, list):
            found += choices(get_args(one)[0])
    return tuple(found)


def allows_null(annotation: Any) -> bool:
    """Return whether a key can be null."""
    if get_origin(annotation) is Annotated:
        return allows_null(get_args(annotation)[0])
    return annotation is type(None) or type(None) in get_args(annotation)


def key_list(sections: Sequence[type[BaseModel]], longest: int = _MOST_KEYS) -> str:
    """Return the names of the keys of sections, cut where they are many."""
    names = list(dict.fromkeys(name for section in sections for name in section.model_fields))
    text = ""
    for number, name in enumerate(names):
        if len(text) + len(name) > longest:
            return f"{text}, ..."
        text += f", {name}" if number else name
    return text


def _alternatives(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Annotated:
        yield from _annotated(annotation)
        return
    if get_origin(annotation) is not None and _is_union(annotation):
        for one in get_args(annotation):
            if one is not type(None):
                yield from _alternatives(one)
        return
    if annotation is bool:
        yield from ("true", "false")
    else:
        yield _single(annotation)


def _is_union(annotation: Any) -> bool:
    return list(alternatives_of(annotation)) != [annotation]


def _annotated(annotation: Any) -> Iterator[str]:
    """Yield the words for a type that its declaration narrows."""
    inner, *given = get_args(annotation)
    extra = [part for one in given for part in (one.metadata if isinstance(one, FieldInfo) else [one])]
    ranges = [one.expected for one in extra if isinstance(one, NumberRange)]
    if ranges:
        yield ranges[-1]
        return
    limits = [form.format(getattr(one, name)) for one in extra for name, form in _LIMITS.items() if _has(one, name)]
    lengths = [form.format(getattr(one, name)) for one in extra for name, form in _LENGTHS.items() if _has(one, name)]
    words = list(_alternatives(inner))
    if limits and len(words) == 1:
        yield f"{words[0]} {' and '.join(limits)}"
    elif lengths and len(words) == 1:
        yield words[0].replace("a list of ", f"a list of {' and '.join(lengths)} ")
    else:
        yield from words


def _has(constraint: Any, name: str) -> bool:
    return isinstance(getattr(constraint, name, None), int | float)


def _single(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if sections := own_sections(annotation):
        return _section(annotation, sections)
    if origin is Literal:
        named = ", ".join(map(repr, arguments))
        return f"one of {named}" if len(arguments) > 1 else named
    if origin in (tuple, list, set, frozenset):
        return f"a list of {_items(arguments[0])}" if arguments else "a list"
    if origin is dict:
        return f"a mapping from {_items(arguments[0])} to {_items(arguments[1])}"
    if annotation is dict:
        return "a mapping"
    return _PLAIN.get(annotation, "a value of another kind")


def _section(annotation: Any, sections: Sequence[type[BaseModel]]) -> str:
    if list(alternatives_of(annotation)) == [TaskSection]:
        return "a section with the key kind, and those of that kind of task"
    words = f"a section with the keys {key_list(sections)}"
    short = ", ".join(form for one in sections if issubclass(one, Section) and (form := one.short_form))
    return f"{short}, or {words}" if short else words


def _items(annotation: Any) -> str:
    """Return the words for the items of a list, in the plural."""
    if plain := _PLURALS.get(annotation):
        return plain
    if sections := own_sections(annotation):
        return f"sections with the keys {key_list(sections)}"
    if get_origin(annotation) is Literal:
        return f"values of {', '.join(map(repr, get_args(annotation)))}"
    return f"values that are {describe(annotation)}"
