"""Entry points of installed packages, each of which is imported only when its object is used."""

from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata

Select = Callable[..., Iterable[metadata.EntryPoint]]
"""A function that returns the entry points of a group, `importlib.metadata.entry_points` or one that adds to it."""


class EntryPointError(ValueError):
    """An entry point cannot be used; the message names the package that has it."""


def entry_point_names(group: str, select: Select | None = None) -> tuple[str, ...]:
    """Return the names of a group's entry points, sorted; nothing is imported.

    Args:
        group: Name of the group.
        select: Where entry points are read from; the installed packages if None.
    """
    return tuple(sorted({point.name for point in _points(group, select or metadata.entry_points)}))


def packages_with(group: str, name: str, select: Select | None = None) -> tuple[str, ...]:
    """Return the names of the packages that have an entry point of that name in a group; nothing is imported.

    Args:
        group: Name of the group.
        name: Name of the entry point.
        select: Where entry points are read from; the installed packages if None.
    """
    return tuple(sorted({_package(point) for point in _named(group, name, select)}))


def load_entry_point(group: str, name: str, select: Select | None = None) -> object | None:
    """Import and return the object of an entry point; None where no installed package has one of that name.

    Args:
        group: Name of the group.
        name: Name of the entry point.
        select: Where entry points are read from; the installed packages if None.

    Raises:
        EntryPointError: Several packages have one, or it cannot be imported.
    """
    # A package that is installed twice, once in a checkout, has the same entry point twice.
    points = {(_package(point), point.value): point for point in _named(group, name, select)}
    if len(points) > 1:
        raise EntryPointError(
            f"several packages have an entry point {name!r} in the group {group}: "
            f"{', '.join(sorted(package for package, _ in points))}; uninstall all but one of them"
        )
    for (package, value), point in points.items():
        try:
            loaded: object = point.load()
        except Exception as error:
            raise EntryPointError(
                f"{name!r} of the group {group} comes from the package {package}, and {value} cannot be imported: "
                f"{type(error).__name__}: {error}; update or uninstall {package}"
            ) from error
        return loaded
    return None


def _named(group: str, name: str, select: Select | None) -> list[metadata.EntryPoint]:
    return [point for point in _points(group, select or metadata.entry_points) if point.name == name]


@cache
def _points(group: str, select: Select) -> tuple[metadata.EntryPoint, ...]:
    """Return the entry points of a group; they are read from the disk once.

    Args:
        group: Name of the group.
        select: Where entry points are read from. As an argument it is part of the cache's key, so that a function that
            replaces `importlib.metadata.entry_points` reads them again.
    """
    return tuple(select(group=group))


def _package(point: metadata.EntryPoint) -> str:
    """Return the name of the package that has an entry point."""
    return point.dist.name if point.dist is not None else "of unknown name"
