"""Python functions of the user's, found by file, module or entry point."""

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from finetune.errors import UserError, nearest
from finetune.recipe.code import parse_reference

ENTRY_POINTS = "finetune.data"
"""The group in which a package names functions that give rows."""


def find_function(reference: str, key: str) -> Callable[..., Any]:
    """The function that a recipe's key names.

    Args:
        reference: path/to/mine.py:function, package.module:function, or the name of an entry point.
        key: The recipe's key, for messages.

    Raises:
        UserError: There is no such file, module, entry point or function, or importing it fails.
    """
    where = f"{key}={reference}"
    parsed = parse_reference(reference)
    if parsed is None:
        return _entry_point(reference, where)
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
    """What the user's code raised, told with the line of it that did."""
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


def _entry_point(name: str, where: str) -> Callable[..., Any]:
    known = {point.name: point for point in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    if name not in known:
        raise UserError(
            f"no installed package has an entry point {name!r} in the group {ENTRY_POINTS}",
            where=where,
            expected="path/to/mine.py:function, package.module:function, or an entry point",
            found=", ".join(sorted(known)) or "no entry points",
        )
    with as_user_error(f"the module of {name} fails", where):
        function: Callable[..., Any] = known[name].load()
    return function
