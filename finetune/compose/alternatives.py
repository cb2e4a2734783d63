"""Keys of which a recipe follows one, such as `model.name` and `model.scratch`: an override replaces the others."""

from collections.abc import Iterator, Mapping
from typing import Any

from finetune.compose.complaints import shown
from finetune.compose.recipe_keys import own_sections, recipe_keys
from finetune.errors import UserError
from finetune.recipe import Section


def several_alternatives(overrides: Mapping[str, Any]) -> list[UserError]:
    """Return an error for each section of which the overrides give several keys that replace one another."""
    errors = []
    for prefix, section in _sections():
        chosen = _chosen(prefix, section, overrides)
        if len(chosen) > 1:
            given = [key for key in overrides if any(_is_in(key, f"{prefix}.{name}") for name in chosen)]
            errors.append(
                UserError(
                    f"{' and '.join(f'{prefix}.{name}' for name in chosen)} are both given",
                    expected=f"one of {', '.join(f'{prefix}.{name}' for name in section.alternatives)}",
                    found=" ".join(f"{key}={shown(overrides[key])}" for key in given),
                    fix=f"leave {' or '.join(f'{prefix}.{name}' for name in chosen)} out",
                )
            )
    return errors


def clear_alternatives(tree: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Set keys of a tree to their defaults where the overrides give another key in their place.

    Args:
        tree: The recipe before it is overridden, which is changed.
        overrides: The new values by dotted keys.
    """
    for prefix, section in _sections():
        chosen, values = _chosen(prefix, section, overrides), tree.get(prefix)
        if len(chosen) == 1 and isinstance(values, dict):
            for name in section.alternatives.keys() - set(chosen):
                for each in (name, *section.alternatives[name]):
                    values[each] = section.model_fields[each].get_default()


def _sections() -> Iterator[tuple[str, type[Section]]]:
    """Yield the sections of a recipe that have such keys, with the key of each."""
    for key in recipe_keys():
        for section in own_sections(key.field.annotation):
            if issubclass(section, Section) and section.alternatives:
                yield key.name, section


def _chosen(prefix: str, section: type[Section], overrides: Mapping[str, Any]) -> list[str]:
    """Return those of a section's keys that the overrides give, by themselves or by a key within."""
    return [
        name
        for name in section.alternatives
        if any(_is_in(key, f"{prefix}.{name}") and _is_value(value) for key, value in overrides.items())
    ]


def _is_in(key: str, outer: str) -> bool:
    return key == outer or key.startswith(f"{outer}.")


def _is_value(value: object) -> bool:
    return value is not None and value not in ("", (), [])
