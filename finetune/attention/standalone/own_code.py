"""Finds the modules outside of finetune that define masks and their functions, to save their code with a model."""

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from finetune.attention import Mask, Program
from finetune.attention.masks.custom import Custom, find_predicate
from finetune.attention.masks.functions import RegisteredFunction
from finetune.attention.masks.score import FunctionScore, find_score
from finetune.attention.masks.scored import ScoreTerm

ATTENTION = "finetune.attention"
MASKS = f"{ATTENTION}.masks"
HARMLESS = frozenset({"__future__", "collections", "dataclasses", "functools", "itertools", "math", "torch", "typing"})
"""The modules that a saved module may import in addition to the masks."""


class CannotTravel(Exception):
    """The code of a mask cannot be saved with a model; the message says why."""


@dataclass(frozen=True)
class FunctionSource:
    """A predicate or a score function, and the arguments with which it was registered.

    Args:
        decorator: The name of the function that registers it: `register_predicate` or `register_score`.
        name: The name under which it is registered, as in `custom(name)` and `score(name)`.
        function: The name of the function in its module.
        columns: Names of the token columns that it reads.
        values: Names of the values of examples that it reads.
        length: Whether the result for a pair can change when the example grows.
        by_head: Whether the result can differ between heads.
    """

    decorator: str
    name: str
    function: str
    columns: tuple[str, ...]
    values: tuple[str, ...]
    length: bool
    by_head: bool


@dataclass(frozen=True)
class OwnModule:
    """A module that defines masks, predicates or score functions.

    Args:
        text: The source of the module.
        functions: The predicates and score functions of the module that a program names.
    """

    text: str
    functions: tuple[FunctionSource, ...] = ()


def own_modules(program: Program) -> tuple[OwnModule, ...]:
    """Return the modules outside of finetune that define the masks and score terms of a program.

    Raises:
        CannotTravel: A function that masks name is not one of a module with a file, or its module imports more than
            `HARMLESS` and the masks.
    """
    modules: dict[str, OwnModule] = {}
    for name, function, registered in sorted(set(_defined_elsewhere(program)), key=lambda one: one[0]):
        text = _source(name, function, is_registered=registered is not None)
        found = (*modules.get(text, OwnModule(text)).functions, *([registered] if registered else []))
        modules[text] = OwnModule(text, found)
    return tuple(modules.values())


def _defined_elsewhere(program: Program) -> Iterator[tuple[str, Callable[..., Any], FunctionSource | None]]:
    """Yield the text of each part that is not finetune's, a function of its module, and the function that it names."""
    for part in _parts([program]):
        if isinstance(part, Custom):
            registered, decorator, name = find_predicate(part.predicate), "register_predicate", part.predicate
        elif isinstance(part, FunctionScore):
            registered, decorator, name = find_score(part.function), "register_score", part.function
        elif not type(part).__module__.startswith(ATTENTION):
            yield str(part), type(part).allowed if isinstance(part, Mask) else type(part).pair_scores, None
            continue
        else:
            continue
        yield str(part), registered.function, _function_source(decorator, name, registered)


def _parts(values: Iterable[object]) -> Iterator[Mask | ScoreTerm]:
    """Yield all masks and score terms in values such as programs, including those that other masks contain."""
    for value in values:
        if isinstance(value, Mask | ScoreTerm):
            yield value
        if isinstance(value, tuple | frozenset):
            yield from _parts(value)
        elif hasattr(value, "__dataclass_fields__"):
            yield from _parts(getattr(value, field.name) for field in fields(value))  # type: ignore[arg-type]


def _function_source(decorator: str, name: str, registered: RegisteredFunction) -> FunctionSource:
    function, needs = registered.function, registered.needs
    own_name = getattr(function, "__qualname__", type(function).__name__)
    columns, values = tuple(sorted(needs.columns)), tuple(sorted(needs.values))
    return FunctionSource(decorator, name, own_name, columns, values, needs.length, needs.by_head)


def _source(name: str, function: Callable[..., Any], *, is_registered: bool) -> str:
    """Return the source of the module that defines the function of a mask or a score term.

    Args:
        name: The text of the mask or the term, for messages.
        function: The function.
        is_registered: Whether it is a predicate or a score function, and not a method of a class.

    Raises:
        CannotTravel: The function is no function of a module with a file, or the module imports too much.
    """
    if not inspect.isfunction(function) or (is_registered and "." in function.__qualname__):
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
