"""The user's permission to run code that a recipe names.

`data.function`, `data.filter`, `data.sample` and `evaluation.metrics` can name Python code. It runs without further
permission where the user chose it: in a recipe that is a Python module itself, in an override on the command line or of
`finetune.train`, or in an installed package with an entry point. A recipe in YAML is data, and may come from anybody,
as may the recipe.yaml of a run's or a model's folder: code that it names runs only with the override
`allow_code=true`. What a file says of `allow_code` itself does not count. A recipe in Python that such a file names as
its base runs with that override alone, too (`finetune.compose.finding`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.attention.entry_points import packages_with
from finetune.checkout import DISTRIBUTION
from finetune.errors import UserError, nearest
from finetune.metrics.registry import ENTRY_POINT_GROUP, is_registered, own_metrics
from finetune.recipe import Recipe
from finetune.recipe.code import NamedCode, data_sets_named, functions_named, metrics_named, parse_reference
from finetune.recipe.data_sets import packages_of_data_set

ALLOWED = "allow_code=true"
"""The override that allows code."""


@dataclass(frozen=True)
class Code:
    """Code that a recipe runs.

    Args:
        key: The key that names it.
        name: The key's value, or one of its values.
        description: What is run, in words.
        is_installed: Whether it belongs to an installed package that registers it by an entry point.
        is_allowed: Whether the user has allowed it.
    """

    key: str
    name: str
    description: str
    is_installed: bool
    is_allowed: bool

    def __str__(self) -> str:
        return f"{self.key}={self.name} runs {self.description}"


def code_of(recipe: Recipe) -> tuple[Code, ...]:
    """Return the code that a recipe names, beside that of finetune itself; nothing of it is imported or fetched."""
    found = [*_functions(recipe), *_data_sets(recipe), *_metrics(recipe)]
    return tuple(_with_permission(recipe, *each) for each in found)


def needs_permission(recipe: Recipe) -> bool:
    """Return whether the recipe, once it is a YAML file, runs only with `allow_code=true`."""
    return any(not code.is_installed for code in code_of(recipe))


def require_allowed(recipe: Recipe) -> None:
    """Refuse a recipe whose code the user has not allowed; to be called before its data are read or metrics loaded.

    Raises:
        UserError: The recipe was read from a YAML file, names code, and `allow_code=true` is not given.
    """
    refused = [code for code in code_of(recipe) if not code.is_allowed]
    if not refused:
        return
    metrics = [near for code in refused if (near := _meant(code))]
    own = f"; if a metric of finetune is meant: evaluation.metrics=[{', '.join(metrics)}]" if metrics else ""
    raise UserError(
        "a recipe in YAML names code, which does not run unless you allow it",
        where=f"{recipe.file_keys.path}: {', '.join(dict.fromkeys(code.key for code in refused))}",
        expected=f"code from a Python recipe, an installed entry point or a key that you give yourself, or {ALLOWED}",
        found="; ".join(map(str, refused)),
        fix=f"read that code; if you trust it, add {ALLOWED} to the command (in the file it does not count)" + own,
    )


def _with_permission(recipe: Recipe, named: NamedCode, description: str, is_installed: bool) -> Code:
    is_users = named.top_key not in recipe.file_keys.keys
    return Code(named.key, named.name, description, is_installed, is_installed or is_users or recipe.allow_code)


def _functions(recipe: Recipe) -> Iterator[tuple[NamedCode, str, bool]]:
    for named in functions_named(recipe.data):
        reference = parse_reference(named.name)
        if reference is None:
            yield from _data_set(named)
        else:
            kind = "file" if reference.module.endswith(".py") else "module"
            yield named, f"the function {reference.name} of the {kind} {reference.module}", False


def _data_sets(recipe: Recipe) -> Iterator[tuple[NamedCode, str, bool]]:
    for named in data_sets_named(recipe.data):
        yield from _data_set(named)


def _data_set(named: NamedCode) -> Iterator[tuple[NamedCode, str, bool]]:
    """Yield the code of a data set that an installed package brings; nothing for the samples of finetune itself."""
    packages = packages_of_data_set(named.name)
    if packages != (DISTRIBUTION,):
        yield named, _entry_point(named.name, packages), True


def _metrics(recipe: Recipe) -> Iterator[tuple[NamedCode, str, bool]]:
    for named in metrics_named(recipe.evaluation):
        packages = packages_with(ENTRY_POINT_GROUP, named.name)
        if packages:
            yield named, _entry_point(named.name, packages), True
        elif not is_registered(named.name):
            is_local = Path(named.name).exists()
            place = "in that file or folder" if is_local else "of that name on the Hugging Face Hub"
            yield named, f"the metric's script {place}", False


def _entry_point(name: str, packages: Sequence[str]) -> str:
    return f"the entry point {name} of {', '.join(packages) or 'no installed package'}"


def _meant(code: Code) -> str | None:
    return nearest(code.name, own_metrics()) if code.key == "evaluation.metrics" else None
