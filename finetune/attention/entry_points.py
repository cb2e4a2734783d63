"""Entry points of installed packages, each of which is imported only when its object is used."""

from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata


class EntryPointError(ValueError):
    """An entry point cannot be used; the message names the package that has it."""


def entry_point_names(group: str) -> tuple[str, ...]:
    """Return the names of a group's entry points, sorted; nothing is imported."""
    return tuple(sorted({point.name for point in _points(group, metadata.entry_points)}))


def packages_with(group: str, name: str) -> tuple[str, ...]:
    """Return the names of the packages that have an entry point of that name in a group; nothing is imported."""
    return tuple(sorted({_package(point) for point in _named(group, name)}))


def load_entry_point(group: str, name: str) -> object | None:
    """Import and return the object of an entry point; None where no installed package has one of that name.

    Raises:
        EntryPointError: Several packages have one, or it cannot be imported.
    """
    # A package that is installed twice, once in a checkout, has the same entry point twice.
    points = {(_package(point), point.value): point for point in _named(group, name)}
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


def _named(group: str, name: str) -> list[metadata.EntryPoint]:
    return [point for point in _points(group, metadata.entry_points) if point.name == name]


@cache
def _points(group: str, select: Callable[..., Iterable[metadata.EntryPoint]]) -> tuple[metadata.EntryPoint, ...]:
    """Return the entry points of a group; they are read from the disk once.

    Args:
        group: Name of the group.
        select: `importlib.metadata.entry_points`. As an argument it is part of the cache's key, so that a function
            that replaces it reads the entry points again.
    """
    return tuple(select(group=group))


def _package(point: metadata.EntryPoint) -> str:
    """Return the name of the package that has an entry point."""
    return point.dist.name if point.dist is not None else "of unknown name"
