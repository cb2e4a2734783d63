"""Keys of a drafted recipe, each with the reason for its value and with what it is not certain of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DraftedKey:
    """A key of a recipe, its value, and why it has this value.

    Args:
        key: The dotted key: `data.columns.label`.
        value: The value: None, a truth value, a number, a text, or a list or dictionary of these.
        reason: Where the value comes from, for the comment beside it; may be empty.
        doubt: What would fit as well, with the option that decides; empty where the value is certain.
    """

    key: str
    value: Any
    reason: str = ""
    doubt: str = ""


def as_tree(keys: Iterable[DraftedKey]) -> dict[str, Any]:
    """Return the sections and values that the keys make up."""
    tree: dict[str, Any] = {}
    for one in keys:
        *sections, name = one.key.split(".")
        section = tree
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = one.value
    return tree


def with_given(keys: Iterable[DraftedKey], given: Mapping[str, Any]) -> list[DraftedKey]:
    """Return the keys with those that the user has given in place of their own, of those in them, and added."""
    given = {key: value for key, value in given.items() if not any(key.startswith(f"{other}.") for other in given)}
    kept = [
        one
        for one in keys
        if not any(one.key == key or one.key.startswith(f"{key}.") or key.startswith(f"{one.key}.") for key in given)
    ]
    return [*kept, *(DraftedKey(key, value, "given") for key, value in given.items())]
