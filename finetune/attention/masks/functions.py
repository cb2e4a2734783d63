"""Functions that users register under a name, so that masks, and with them saved models, can refer to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from finetune.attention.entry_points import entry_point_names
from finetune.attention.masks.base import Needs
from finetune.attention.masks.errors import MaskArgumentError, MaskError, did_you_mean
from finetune.attention.masks.registry import load_offered, same_origin

Function = Callable[..., Any]
FunctionT = TypeVar("FunctionT", bound=Function)


@dataclass(frozen=True)
class RegisteredFunction:
    """A function that was registered, and what must be known of the examples to call it."""

    function: Function
    needs: Needs


class FunctionRegistry:
    """The functions of one kind by their names, with those that installed packages offer as entry points.

    Args:
        mask: Name in masks of what calls them: `custom`.
        kind: What messages call them: "predicate".
        decorator: Name of the function that registers them, for messages.
        group: Name of the group of entry points.
    """

    def __init__(self, mask: str, kind: str, decorator: str, group: str) -> None:
        self.mask, self.kind, self.decorator, self.group = mask, kind, decorator, group
        self._functions: dict[str, RegisteredFunction] = {}

    def register(
        self, name: str, columns: Iterable[str], values: Iterable[str], length: bool, by_head: bool
    ) -> Callable[[FunctionT], FunctionT]:
        """Return a decorator that registers a function; the arguments are those of `register_predicate`.

        Raises:
            MaskError: Another function has that name.
        """

        def register(function: FunctionT) -> FunctionT:
            known = self._functions.get(name)
            if known is not None and not same_origin(known.function, function):
                raise MaskError(f"there is a {self.kind} named {name!r} already")
            needs = Needs(columns=frozenset(columns), values=frozenset(values), length=length, by_head=by_head)
            self._functions[name] = RegisteredFunction(function, needs)
            return function

        return register

    def name_of(self, given: object) -> str:
        """Return the name of a function that is given by its name or as itself; it is registered if need be.

        Raises:
            MaskArgumentError: No function has that name, the function has none, or the argument is neither.
            MaskError: The package that has the function cannot be imported, or several packages have one of that name.
        """
        if callable(given):
            return self._name_of_function(given)
        if not isinstance(given, str):
            raise MaskArgumentError(f"{self.mask}: {self.kind} must be a name or a function, got {given!r}", given)
        self.find(given)
        return given

    def _name_of_function(self, function: Function) -> str:
        for name, registered in self._functions.items():
            if registered.function is function:
                return name
        name = getattr(function, "__name__", "<lambda>")
        if not name.isidentifier():
            problem = f"{self.mask}: a {self.kind} needs a name; write {self.decorator}(name)(it)"
            raise MaskArgumentError(problem, function)
        self._add(name, function)
        return name

    def _add(self, name: str, function: Function) -> None:
        self.register(name, (), (), length=True, by_head=True)(function)

    def find(self, name: str) -> RegisteredFunction:
        """Return a function that was registered, or that an entry point offers.

        Raises:
            MaskError: There is none of that name, its package cannot be imported, or several packages have one.
        """
        loaded = None if name in self._functions else load_offered(self.group, name)
        if loaded is not None and name not in self._functions:  # the import of the module may have registered it
            self._add(name, cast("Function", loaded))
        if name not in self._functions:
            names = sorted({*self._functions, *entry_point_names(self.group)})
            known = ", ".join(names) if names else "none"
            raise MaskArgumentError(
                f"no {self.kind} is registered as {name!r} (known: {known}){did_you_mean(name, names)}; import the "
                "module that registers it first, or install the package that has it",
                name,
            )
        return self._functions[name]
