"""Names of masks, open to other packages.

A package adds masks to the language by `register_mask` or by an entry point of the group `finetune.masks` whose
name is the mask's and whose object is the function that builds it.
"""

from collections.abc import Callable
from importlib import metadata
from typing import TypeVar

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
    """The function that builds masks of this name, or None."""
    if name not in _factories:
        for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP, name=name):
            _factories[name] = entry_point.load()
    return _factories.get(name)


def mask_names() -> list[str]:
    """The names of all masks, those of entry points included."""
    return sorted({*_factories, *(entry_point.name for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP))})


def same_origin(one: Callable[..., object], other: Callable[..., object]) -> bool:
    """Whether two functions are one definition, run twice as a notebook does."""
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)
