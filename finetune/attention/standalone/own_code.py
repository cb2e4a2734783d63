"""Masks and predicates that are not finetune's: which modules define them, and whether these can travel."""

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from finetune.attention import Mask, Program
from finetune.attention.masks.custom import Custom, find_predicate

ATTENTION = "finetune.attention"
MASKS = f"{ATTENTION}.masks"
HARMLESS = frozenset({"__future__", "collections", "dataclasses", "functools", "itertools", "math", "torch", "typing"})
"""What a module that travels may import, beside the masks."""


class CannotTravel(Exception):
    """The code of a mask cannot be put beside a model; the message says why."""


@dataclass(frozen=True)
class Predicate:
    """A predicate and what it was registered with, see `register_predicate`.

    Args:
        name: As in `custom(name)`.
        function: Its name in its module.
        columns: Token columns that it reads.
        values: Values of the example that it reads.
        length: Whether its answer for a pair can change when the example grows.
        by_head: Whether its answer can differ between heads.
    """

    name: str
    function: str
    columns: tuple[str, ...]
    values: tuple[str, ...]
    length: bool
    by_head: bool


@dataclass(frozen=True)
class OwnModule:
    """A module that defines masks or predicates.

    Args:
        text: Its source.
        predicates: Those of it that a program names.
    """

    text: str
    predicates: tuple[Predicate, ...] = ()


def own_modules(program: Program) -> tuple[OwnModule, ...]:
    """The modules, outside of finetune, that define what a program is made of.

    Raises:
        CannotTravel: One imports more than torch, Python's own mathematics and the masks, or has no file.
    """
    modules: dict[str, OwnModule] = {}
    for name, function, predicate in sorted(set(_defined_elsewhere(program)), key=lambda one: one[0]):
        text = _source(name, function)
        found = (*modules.get(text, OwnModule(text)).predicates, *([predicate] if predicate else []))
        modules[text] = OwnModule(text, found)
    return tuple(modules.values())


def _defined_elsewhere(program: Program) -> Iterator[tuple[str, Callable[..., Any], Predicate | None]]:
    """The masks of others: their text, a function that their module defines, and which predicate it is."""
    for mask in _masks([program]):
        if isinstance(mask, Custom):
            yield str(mask), find_predicate(mask.predicate).predicate, _predicate(mask)
        elif not type(mask).__module__.startswith(ATTENTION):
            yield str(mask), type(mask).allowed, None


def _masks(values: Iterable[object]) -> Iterator[Mask]:
    """All masks in a program, within others too."""
    for value in values:
        if isinstance(value, Mask):
            yield value
        if isinstance(value, tuple | frozenset):
            yield from _masks(value)
        elif hasattr(value, "__dataclass_fields__"):
            yield from _masks(getattr(value, field.name) for field in fields(value))  # type: ignore[arg-type]


def _predicate(mask: Custom) -> Predicate:
    function, needs = find_predicate(mask.predicate).predicate, mask.needs
    name = getattr(function, "__qualname__", type(function).__name__)
    columns, values = tuple(sorted(needs.columns)), tuple(sorted(needs.values))
    return Predicate(mask.predicate, name, columns, values, needs.length, needs.by_head)


def _source(name: str, function: Callable[..., Any]) -> str:
    if not inspect.isfunction(function) or (name.startswith("custom") and "." in function.__qualname__):
        raise CannotTravel(f"{name} is not a function of a module")
    path = Path(function.__code__.co_filename)
    if function.__module__ == "__main__" or not path.is_file():
        raise CannotTravel(f"{name} is not defined in a module of its own, which could be copied")
    text = path.read_text(encoding="utf-8")
    for imported in _imports(text):
        if f"{imported}.".startswith(f"{MASKS}."):
            continue
        if imported.partition(".")[0] not in HARMLESS:
            raise CannotTravel(
                f"{path.name}, which defines {name}, imports {imported}: a module of its own may import "
                f"{', '.join(sorted(HARMLESS - {'__future__'}))} and {MASKS}"
            )
    return text


def _imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            # `import finetune.attention` binds finetune, which is not there
            yield from (alias.name if alias.asname else alias.name.partition(".")[0] for alias in node.names)
