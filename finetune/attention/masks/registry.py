"""Names of masks, open to other packages.

A package adds masks to the language by `register_mask` or by an entry point of the group `finetune.masks` whose
name is the mask's and whose object is the function that builds it.
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
    """Make a function that builds a mask known to the parser, under its own name.

    Raises:
        MaskError: Another function has that name.
    """
    name = factory.__name__
    if name in _factories and not same_origin(_factories[name], factory):
        raise MaskError(f"there is a mask named {name!r} already")
    _factories[name] = factory
    return factory


def find_mask(name: str) -> Factory | None:
    """The function that builds masks of this name, or None.

    Raises:
        MaskError: An installed package brings it and cannot be imported, or two packages bring it.
    """
    if name not in _factories and (brought := load_brought(ENTRY_POINT_GROUP, name)) is not None:
        _factories[name] = cast(Factory, brought)
    return _factories.get(name)


def mask_names() -> list[str]:
    """The names of all masks, those of entry points included."""
    return sorted({*_factories, *entry_point_names(ENTRY_POINT_GROUP)})


def load_brought(group: str, name: str) -> object | None:
    """The object of an entry point, or None where no installed package has one of that name.

    Raises:
        MaskError: It cannot be imported, or two packages have one.
    """
    try:
        return load_entry_point(group, name)
    except EntryPointError as error:
        raise MaskError(str(error)) from error


def same_origin(one: Callable[..., object], other: Callable[..., object]) -> bool:
    """Whether two functions are one definition, run twice as a notebook does."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
