"""Finds the modules that define masks and predicates outside of finetune, to save their code with a model."""

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
"""The modules that a saved module may import in addition to the masks."""


class CannotTravel(Exception):
    """The code of a mask cannot be saved with a model; the message says why."""


@dataclass(frozen=True)
class PredicateSource:
    """A predicate and the arguments with which `register_predicate` registered it.

    Args:
        name: The name of the predicate, as in `custom(name)`.
        function: The name of the function in its module.
        columns: Names of the token columns that the predicate reads.
        values: Names of the values of examples that the predicate reads.
        length: Whether the result for a pair can change when the example grows.
        by_head: Whether the result can differ between heads.
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
        text: The source of the module.
        predicates: The predicates of the module that a program names.
    """

    text: str
    predicates: tuple[PredicateSource, ...] = ()


def own_modules(program: Program) -> tuple[OwnModule, ...]:
    """Return the modules outside of finetune that define the masks and predicates of a program.

    Raises:
        CannotTravel: A predicate is not a function of a module with a file, or its module imports more than
            `HARMLESS` and the masks.
    """
    modules: dict[str, OwnModule] = {}
    for name, function, predicate in sorted(set(_defined_elsewhere(program)), key=lambda one: one[0]):
        text = _source(name, function)
        found = (*modules.get(text, OwnModule(text)).predicates, *([predicate] if predicate else []))
        modules[text] = OwnModule(text, found)
    return tuple(modules.values())


def _defined_elsewhere(program: Program) -> Iterator[tuple[str, Callable[..., Any], PredicateSource | None]]:
    """Yield the text of each mask that is not finetune's, a function of its module, and the predicate it names."""
    for mask in _masks([program]):
        if isinstance(mask, Custom):
            yield str(mask), find_predicate(mask.predicate).function, _predicate(mask)
        elif not type(mask).__module__.startswith(ATTENTION):
            yield str(mask), type(mask).allowed, None


def _masks(values: Iterable[object]) -> Iterator[Mask]:
    """Yield all masks in values such as programs, including the masks that other masks contain."""
    for value in values:
        if isinstance(value, Mask):
            yield value
        if isinstance(value, tuple | frozenset):
            yield from _masks(value)
        elif hasattr(value, "__dataclass_fields__"):
            yield from _masks(getattr(value, field.name) for field in fields(value))  # type: ignore[arg-type]


def _predicate(mask: Custom) -> PredicateSource:
    function, needs = find_predicate(mask.predicate).function, mask.needs
    name = getattr(function, "__qualname__", type(function).__name__)
    columns, values = tuple(sorted(needs.columns)), tuple(sorted(needs.values))
    return PredicateSource(mask.predicate, name, columns, values, needs.length, needs.by_head)


def _source(name: str, function: Callable[..., Any]) -> str:
    """Return the source of the module that defines the function of a mask.

    Args:
        name: The text of the mask, for messages.
        function: The function.

    Raises:
        CannotTravel: The function is no function of a module with a file, or the module imports too much.
    """
    if not inspect.isfunction(function) or (name.startswith("custom") and "." in function.__qualname__):
        raise CannotTravel(f"{name} is not a function of a module")
    path = Path(function.__code__.co_filename)
    if function.__module__ == "__main__" or not path.is_file():
        raise CannotTravel(f"{name} is not defined in a module with a file, which could be copied")
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
    """Yield the names of the modules that a source imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")
        elif isinstance(node, ast.Import):
            # `import finetune.attention` binds the name finetune, which does not exist beside a saved model.
            yield from (alias.name if alias.asname else alias.name.partition(".")[0] for alias in node.names)
