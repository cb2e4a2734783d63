"""Flatten nested mappings to dotted keys, such as `training.epochs`."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Inner: TypeAlias = Callable[[str, Any], Mapping[Any, Any] | None]
"""A function of a dotted key and its value that returns the mapping to flatten; None for a value that stays whole."""


def mapping_or_none(key: str, value: Any) -> Mapping[Any, Any] | None:
    """Return a value that is a mapping, whatever its key; None for other values."""
    return value if isinstance(value, Mapping) else None


def flatten(tree: Mapping[Any, Any], inner: Inner = mapping_or_none) -> dict[str, Any]:
    """Return the values of a nested mapping by dotted keys, in order: `{"a": {"b": 1}}` gives `{"a.b": 1}`.

    An empty mapping inside has no values and leaves nothing. Of two equal keys the later value is kept.

    Args:
        tree: The mapping. Names that are not strings are converted.
        inner: Decides which values are flattened, and as what; by default all mappings are.
    """
    flat: dict[str, Any] = {}
    _add(flat, tree, "", inner)
    return flat


def _add(flat: dict[str, Any], tree: Mapping[Any, Any], prefix: str, inner: Inner) -> None:
    for name, value in tree.items():
        key = f"{prefix}{name}"
        nested = inner(key, value)
        if nested is None:
            flat[key] = value
        else:
            _add(flat, nested, f"{key}.", inner)
