"""The registry of masks by name, to which other packages can add.

A package adds a mask to the language by `register_mask`, or by an entry point of the group `finetune.masks` whose name
is that of the mask and whose object is the function that builds it.
"""

from collections.abc import Callable
from typing import TypeVar, cast

from finetune.attention.entry_points import EntryPointError, entry_point_names, load_entry_point
from finetune.attention.masks.base import Mask
from finetune.attention.masks.errors import MaskError

ENTRY_POINT_GROUP = "finetune.masks"

Factory = Callable[..., Mask]
FactoryT = TypeVar("FactoryT", bound=Factory)

_factories: dict[str, Factory] = {}


def register_mask(factory: FactoryT) -> FactoryT:
    """Register a function that builds a mask under its own name, so that the parser finds it; usable as a decorator.

    Raises:
        MaskError: Another function has that name.
    """
    name = factory.__name__
    if name in _factories and not same_origin(_factories[name], factory):
        raise MaskError(f"there is a mask named {name!r} already")
    _factories[name] = factory
    return factory


def find_mask(name: str) -> Factory | None:
    """Return the function that builds masks of this name, or None where there is none.

    Raises:
        MaskError: An installed package has it and cannot be imported, or several packages have one of that name.
    """
    if name not in _factories and (loaded := load_offered(ENTRY_POINT_GROUP, name)) is not None:
        _factories[name] = cast(Factory, loaded)
    return _factories.get(name)


def mask_names() -> list[str]:
    """Return the names of all masks, sorted, with those of entry points."""
    return sorted({*_factories, *entry_point_names(ENTRY_POINT_GROUP)})


def load_offered(group: str, name: str) -> object | None:
    """Load the object of an entry point; return None where no installed package has one of that name.

    Args:
        group: Name of the group of entry points.
        name: Name of the entry point.

    Raises:
        MaskError: The object cannot be imported, or several packages have an entry point of that name.
    """
    try:
        return load_entry_point(group, name)
    except EntryPointError as error:
        raise MaskError(str(error)) from error


def same_origin(one: Callable[..., object], other: Callable[..., object]) -> bool:
    """Return whether two functions have the same definition, as when a cell of a notebook is run twice."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
