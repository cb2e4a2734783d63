"""The keys of a recipe that a user has overridden, with their values in the recipe and now.

A run says them, so that nobody takes a run for one of the recipe as it stands, or the reverse.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PLACES = ("resume", "allow_code", "output_dir", "data.cache_dir", "model.cache_dir")
"""Keys that say where files lie or what is allowed; a change of them makes no other run."""


@dataclass(frozen=True)
class Change:
    """A key whose value is not the recipe's own. `str` returns it as "training.epochs: 3 -> 1".

    Args:
        key: The key.
        before: The recipe's own value, as JSON has it.
        after: The value of the run, as JSON has it.
    """

    key: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.key}: {_shown(self.before)} -> {_shown(self.after)}"


@dataclass(frozen=True)
class Changes:
    """The changes of a recipe, in the order in which they were made. Recipes that differ in nothing else are equal."""

    listed: tuple[Change, ...] = field(default=(), compare=False)

    def then(self, later: Sequence[Change]) -> "Changes":
        """Return the changes with later ones added; a key that is back at its first value is no change any more."""
        changes = {change.key: change for change in self.listed}
        for change in later:
            first = changes.pop(change.key, change)
            if first.before != change.after:
                changes[change.key] = Change(change.key, first.before, change.after)
        return Changes(tuple(changes.values()))

    def to_json(self) -> dict[str, Any]:
        """Return the changes for a JSON file: the values in the recipe and in the run by key."""
        return {change.key: {"recipe": change.before, "run": change.after} for change in self.listed}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Changes":
        """Return the changes that `to_json` gave; entries of another form are left out."""
        entries = {key: value for key, value in stored.items() if isinstance(value, Mapping)}
        return cls(tuple(Change(key, value.get("recipe"), value.get("run")) for key, value in entries.items()))


def find_changes(before: Mapping[str, Any], after: Mapping[str, Any], keys: Iterable[str]) -> list[Change]:
    """Return those of some keys whose values differ between two recipes.

    Args:
        before: The sections of the recipe as it was, for JSON.
        after: The sections of the recipe as it is now, for JSON.
        keys: Dotted keys.
    """
    changes = (Change(key, _value(before, key), _value(after, key)) for key in keys if key not in PLACES)
    return [change for change in changes if change.before != change.after]


def _value(tree: Any, key: str) -> Any:
    """Return the value of a dotted key; None where there is none."""
    for part in key.split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return _plain_site(tree)


def _plain_site(value: Any) -> Any:
    """Return the masks of a site as the text of a mask where the site has one mask alone; other values as they are."""
    if isinstance(value, Mapping) and "mask" in value:
        return {key: one for key, one in value.items() if one} if any(map(value.get, _SITE_PARTS)) else value["mask"]
    return value


_SITE_PARTS = ("layers", "bidirectional")


def _shown(value: Any) -> str:
    """Return a value as it may be typed on the command line."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
