"""Python functions of the user's and of installed packages, found by file, module or entry point."""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from finetune.errors import UserError, nearest
from finetune.recipe.code import parse_reference
from finetune.recipe.data_sets import load_data_set, packages_of_data_set

_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
"""The kinds of parameters that can be given by name."""


def find_function(reference: str, key: str) -> Callable[..., Any]:
    """Return the function that a recipe's key names.

    Args:
        reference: path/to/mine.py:function, package.module:function, or the name of a data set that an installed
            package brings.
        key: The recipe's key, for messages.

    Raises:
        UserError: There is no such file, module, data set or function, or importing it fails.
    """
    where = f"{key}={reference}"
    parsed = parse_reference(reference)
    if parsed is None:
        return find_data_set(reference, key)
    with as_user_error(f"the module of {reference} fails", where):
        module = _import(parsed.module, where)
    function = getattr(module, parsed.name, None)
    if not callable(function):
        names = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
        likely = nearest(parsed.name, names)
        raise UserError(
            f"{parsed.module} has no function {parsed.name!r}",
            where=where,
            found=", ".join(names) or "no function",
            fix=f"{key}={parsed.module}:{likely}" if likely else None,
        )
    return function  # type: ignore[no-any-return]


def find_data_set(name: str, key: str) -> Callable[..., Any]:
    """Return the function by which an installed package gives the rows of a data set.

    Args:
        name: The name of the data set.
        key: The recipe's key that names it, for messages.

    Raises:
        UserError: No package brings it, several do, it cannot be imported, or it is not a function.
    """
    found = load_data_set(name, key)
    if not callable(found):
        raise UserError(
            f"the data set {name!r} is not a function",
            where=f"{key}={name}, an entry point of {', '.join(packages_of_data_set(name))}",
            expected="a function that is called with train, dev and test in turn, and returns rows",
            found=f"{found!r:.80}",
        )
    return found


def takes_columns(function: Callable[..., Any]) -> bool:
    """Return whether a function asks for the columns that are read, by a second argument `columns` without default."""
    try:
        _, *others = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # no argument at all, or a function of an extension module that tells none
        return False
    return any(one.name == "columns" and one.default is one.empty and one.kind in _BY_NAME for one in others)


@contextmanager
def as_user_error(problem: str, where: str) -> Iterator[None]:
    """Tell what the user's code raises inside this block, with the line of it that did.

    Raises:
        UserError: In the place of any exception but itself.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise failure(problem, where, error) from error


def failure(problem: str, where: str, error: Exception) -> UserError:
    """Return the error for an exception of the user's code, with the line that raised it."""
    found = f"{type(error).__name__}: {error}, in {_line_of(error)}"
    return UserError(problem, where=where, found=found, fix="correct the code")


def _line_of(error: BaseException) -> str:
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}" if trace else "its code"


def _import(name: str, where: str) -> ModuleType:
    if not name.endswith(".py"):
        return _import_dotted(name, where)
    path = Path(name).expanduser()
    if not path.is_file():
        raise UserError(f"there is no file {path}", where=where, fix="check the path (relative to this folder)")
    # A name that pickles find again, where datasets hands the function to other processes.
    spec = importlib.util.spec_from_file_location(f"finetune_function_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _import_dotted(name: str, where: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        raise UserError(
            f"there is no module {error.name!r}",
            where=where,
            fix="install it or put its folder on PYTHONPATH; a file is named by its path: path/to/mine.py:function",
        ) from None
