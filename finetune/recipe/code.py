"""Code that the keys of a recipe name, and which of these keys were read from a file.

A recipe in YAML is data, which may come from anybody; yet some of its keys name functions and metrics that a run
imports. A recipe that was read from a file therefore remembers where these keys are from, so that the code is not run
before the user allows it (see `finetune.allowed_code`).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from finetune.recipe.data import Data, DataSource
from finetune.recipe.evaluation import Evaluation

_REFERENCE = re.compile(r"(?P<module>.+\.py|[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)")

CODE_KEYS = frozenset(["data.function", "data.filter", "data.sample", "data.sources", "evaluation.metrics"])
"""The keys of a recipe whose values may name code."""


@dataclass(frozen=True)
class FunctionReference:
    """A Python function, as a recipe names it.

    Args:
        module: The path of a file, which ends in .py, or the dotted name of a module.
        name: The function's name in it.
    """

    module: str
    name: str


def parse_reference(text: str) -> FunctionReference | None:
    """Return the function that `path/to/mine.py:function` or `package.module:function` names; None for other texts."""
    match = _REFERENCE.fullmatch(text)
    return None if match is None else FunctionReference(match["module"], match["name"])


@dataclass(frozen=True)
class FileKeys:
    """Which keys of a recipe were read from a file. Recipes that differ in nothing else are equal.

    Args:
        path: The file; empty where no key was read from one.
        keys: Those of `CODE_KEYS` whose values are the file's.
    """

    path: str = field(default="", compare=False)
    keys: frozenset[str] = field(default=frozenset(), compare=False)

    def without(self, given: Iterable[str]) -> "FileKeys":
        """Return the keys that are left when a user gives others, each of which may be a whole section."""
        given = tuple(given)
        kept = (key for key in self.keys if not any(key == one or key.startswith(f"{one}.") for one in given))
        return FileKeys(self.path, frozenset(kept))


@dataclass(frozen=True)
class NamedCode:
    """A name of a recipe that may be one of code.

    Args:
        key: Where the recipe names it: `data.filter`, `data.sources[0].function`.
        name: The name: a function, an entry point or a metric.
        top_key: The one of `CODE_KEYS` that `key` belongs to.
    """

    key: str
    name: str
    top_key: str


def functions_named(data: Data) -> Iterator[NamedCode]:
    """Yield the functions that give or filter rows; data.sources, where given, come in the place of other keys."""
    if not data.sources:
        for key, name in _functions(data):
            yield NamedCode(f"data.{key}", name, f"data.{key}")
    for number, source in enumerate(data.sources):
        for key, name in _functions(source):
            yield NamedCode(f"data.sources[{number}].{key}", name, "data.sources")


def data_sets_named(data: Data) -> Iterator[NamedCode]:
    """Yield the data sets of packages that rows are read from; each is registered by a function."""
    if data.is_of_package:
        yield NamedCode("data.sample", str(data.sample), "data.sample")
    for number, source in enumerate(data.sources):
        if source.is_of_package:
            yield NamedCode(f"data.sources[{number}].sample", str(source.sample), "data.sources")


def metrics_named(evaluation: Evaluation) -> Iterator[NamedCode]:
    """Yield the metrics that the recipe names, each once."""
    for name in dict.fromkeys(evaluation.metrics or ()):
        yield NamedCode("evaluation.metrics", name, "evaluation.metrics")


def _functions(source: DataSource) -> Iterator[tuple[str, str]]:
    if source.function is not None:
        yield "function", source.function
    if source.filter is not None and parse_reference(source.filter) is not None:
        yield "filter", source.filter
