"""Names of a package that are imported from its modules when they are first used."""

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose modules are imported when one of their names is first used.

        __getattr__ = lazy_names(__name__, {"Task": "base"})

    Args:
        package: The package's `__name__`.
        modules: The module of each name, within the package.
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{package}.{modules[name]}"), name)

    return get
