"""What a predicate reads beside its arguments, so that its results can be remembered without becoming stale."""

from __future__ import annotations

import builtins
import dis
from collections.abc import Callable, Hashable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import torch

LIBRARIES = frozenset({"torch", "math", "numpy", "functools", "operator"})
"""Packages whose modules and functions are taken to be constant."""
UNSTEADY = frozenset({"globals", "locals", "vars", "eval", "exec", "getattr", "open", "__import__", "random"})
"""Names whose use makes a result depend on something that cannot be seen in the code."""


class NotConstantError(Exception):
    """A predicate reads something that may change between two calls."""


def read_constants(function: Callable[..., object]) -> Hashable:
    """Return all that a function reads beside its arguments: the same value means the same results.

    Args:
        function: A function with no side effects.

    Raises:
        NotConstantError: It reads something that may change and cannot be compared: an object, a list, a module of the
            user's own; or it draws random numbers; or it is no plain function.
    """
    return tuple(_read(function, set()))


def _read(function: object, seen: set[object]) -> Iterator[Hashable]:
    if not isinstance(function, FunctionType):
        raise NotConstantError(f"{function!r} is not a function")
    if function in seen:
        return
    seen.add(function)
    yield function
    names = {name for code in _codes(function.__code__) for name in _names(code)}
    if unsteady := sorted(name for name in names if name in UNSTEADY or name.startswith(("rand", "bernoulli"))):
        raise NotConstantError(f"{function.__name__} uses {unsteady[0]}")
    outside: list[tuple[str, Any]] = [
        (name, function.__globals__[name]) for name in sorted(names & {*function.__globals__})
    ]
    try:
        outside += [(name, cell.cell_contents) for name, cell in _cells(function)]
    except ValueError as error:  # a variable that is not bound yet
        raise NotConstantError(str(error)) from error
    outside += [("defaults", function.__defaults__ or ())]
    outside += sorted((function.__kwdefaults__ or {}).items())
    for name, value in outside:
        yield from _constant(name, value, seen)


def _constant(name: str, value: Any, seen: set[object]) -> Iterator[Hashable]:
    """Yield what stands for the value of a name that a function reads."""
    if isinstance(value, ModuleType | BuiltinFunctionType | FunctionType | type) and _is_library(value):
        return
    if isinstance(value, FunctionType):
        yield from _read(value, seen)
    elif isinstance(value, tuple):
        yield name, len(value)
        for member in value:
            yield from _constant(name, member, seen)
    elif value is None or type(value) in (bool, int, float, str, bytes, torch.dtype):
        yield name, type(value), value
    else:
        raise NotConstantError(f"{name} may change")


def _is_library(value: Any) -> bool:
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or "builtins"
    return module.split(".")[0] in LIBRARIES or module == builtins.__name__


def _cells(function: FunctionType) -> Iterator[tuple[str, Any]]:
    return zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of a function, and of the functions and comprehensions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the global names and attributes that a code reads.

    Raises:
        NotConstantError: It imports a module that is not one of `LIBRARIES`.
    """
    yield from code.co_names
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME" and str(instruction.argval).split(".")[0] not in LIBRARIES:
            raise NotConstantError(f"it imports {instruction.argval}")
