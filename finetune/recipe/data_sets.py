"""The data sets that packages bring, by name; the samples of this package are registered in the same way.

A package brings a data set by an entry point of the group `finetune.data`. Its name is the name of the data set, which
a recipe gives as `data.sample`, and its object is a function that returns rows, as `data.function` takes one. Names are
read from the packages' metadata; the function's module is imported when the rows are read, and not before.
"""

from collections.abc import Mapping
from importlib import metadata

from finetune.attention.entry_points import EntryPointError, Select, entry_point_names, load_entry_point, packages_with
from finetune.checkout import with_checkout
from finetune.errors import UserError, nearest
from finetune.recipe.code import parse_reference

ENTRY_POINT_GROUP = "finetune.data"


def data_set_names() -> tuple[str, ...]:
    """Return the names of all data sets, sorted; nothing is imported."""
    return entry_point_names(ENTRY_POINT_GROUP, _select())


def packages_of_data_set(name: str) -> tuple[str, ...]:
    """Return the names of the packages that bring a data set of that name; nothing is imported."""
    return packages_with(ENTRY_POINT_GROUP, name, _select())


def load_data_set(name: str, key: str) -> object:
    """Import and return the object by which a package registers a data set.

    Args:
        name: Name of the data set.
        key: The recipe's key that names it, for messages.

    Raises:
        UserError: No package brings a data set of that name, several do, or the object cannot be imported.
    """
    errors = unknown_data_sets({key: name})
    if errors:
        raise errors[0]
    try:
        return load_entry_point(ENTRY_POINT_GROUP, name, _select())
    except EntryPointError as error:
        raise UserError(f"the data set {name!r} cannot be loaded: {error}", where=f"{key}={name}") from error


def unknown_data_sets(names: Mapping[str, str]) -> list[UserError]:
    """Return an error for each name that is not the name of a data set; nothing is imported.

    Args:
        names: The names by the recipe's keys that give them.
    """
    known = data_set_names()
    return [_unknown(name, key, known) for key, name in names.items() if name not in known]


def _unknown(name: str, key: str, known: tuple[str, ...]) -> UserError:
    near = nearest(name, known)
    expected = f"the name of an entry point of the group {ENTRY_POINT_GROUP}"
    if not key.endswith("sample"):
        expected = f"path/to/mine.py:function, package.module:function, or {expected}"
    if parse_reference(name) is not None:
        fix = f"{key.removesuffix('sample')}function={name}, where a Python function gives the rows"
    else:
        fix = f"did you mean {key}={near}?" if near else "install the package that brings it"
    return UserError(
        f"no installed package brings a data set {name!r}",
        where=f"{key}={name}",
        expected=expected,
        found=f"the data sets {', '.join(known)}" if known else "no data sets",
        fix=fix,
    )


def _select() -> Select:
    """Return where data sets are looked for: in installed packages, and in the checkout that is running."""
    return with_checkout(metadata.entry_points)
