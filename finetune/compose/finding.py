"""Recipes by name, by path, or by the name of a module."""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from finetune.compose.complaints import shown, translate, written_with_dots
from finetune.compose.overriding import flat_keys, from_tree, override
from finetune.compose.yaml_values import RecipeLoader
from finetune.documents import read_yaml
from finetune.errors import UserError, nearest, raise_all
from finetune.recipe import Recipe
from finetune.recipe.changes import Changes
from finetune.recipe.code import CODE_KEYS, FileKeys

_PACKAGE = Path(__file__).resolve().parent.parent
# An installed wheel carries the recipes inside; beside it, other distributions have a package `recipes` of their own.
_RECIPES = _PACKAGE / "recipes" if (_PACKAGE / "recipes").is_dir() else _PACKAGE.parent / "recipes"
_YAML = (".yaml", ".yml")


def load_recipe(name: str, *, allow_code: bool = False) -> Recipe:
    """Return the recipe of that name: a module in recipes/, a .py or .yaml file, or a dotted module.

    Args:
        name: The name or the path.
        allow_code: Whether a recipe in YAML may have a base that is Python code of its own.

    Raises:
        UserError: There is none, or it does not hold a valid recipe.
    """
    if name.endswith(_YAML):
        return _from_yaml(Path(name), allow_code, ())
    if (path := _file(name)) is not None:
        return _from_module(_import_file(path), path.stem)
    if (spec := _dotted(name)) is not None:
        return _from_module(_execute(spec), name.rpartition(".")[2])
    raise _no_recipe(name)


def source(name: str) -> Path:
    """Return the file of a recipe that `load_recipe` finds."""
    if name.endswith(_YAML):
        return Path(name)
    if (path := _file(name)) is not None:
        return path
    spec = _dotted(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def recipe_names() -> list[str]:
    """Return the names of the recipes that come with the toolkit, sorted."""
    return sorted(path.stem for path in _RECIPES.glob("[a-z]*.py"))


def _no_recipe(name: str, where: str | None = None) -> UserError:
    near = nearest(name, recipe_names())
    written = "recipe: " if where else "recipe="
    return UserError(
        f"there is no recipe {name!r}",
        expected=", ".join(recipe_names()) + ", a path to a .py or .yaml file, or a module",
        where=where,
        fix=f"did you mean {written}{near}?" if near else "finetune list shows every recipe",
    )


def _file(name: str) -> Path | None:
    """Return the Python file that a recipe's name means, or None where it means no file.

    Raises:
        UserError: It is the path of a file that does not exist.
    """
    if not name.endswith(".py"):
        return path if (path := _RECIPES / f"{name}.py").is_file() else None
    if not Path(name).is_file():
        raise UserError(f"the recipe file {name} does not exist", fix="check the path (relative to this folder)")
    return Path(name)


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"finetune_recipe_{path.stem}", path)
    assert spec is not None
    return _execute(spec)


def _dotted(name: str) -> ModuleSpec | None:
    """Return where the module of that dotted name is, or None where there is none."""
    if "." not in name or not all(part.isidentifier() for part in name.split(".")):
        return None
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return None if spec is None or spec.loader is None else spec


def _execute(spec: ModuleSpec) -> ModuleType:
    """Run a recipe's module.

    Raises:
        UserError: It fails.
    """
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except UserError:
        raise
    except ValidationError as error:
        raise_all(translate(error, where=spec.origin))
    except Exception as error:
        message = f"the recipe {spec.origin} fails: {type(error).__name__}: {error}"
        raise UserError(message, where=_line_of(error)) from error
    return module


def _line_of(error: BaseException) -> str | None:
    trace = error.__traceback__
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}, line {trace.tb_lineno}" if trace else None


def _from_module(module: ModuleType, name: str) -> Recipe:
    recipe = getattr(module, "recipe", None)
    if not isinstance(recipe, Recipe):
        raise UserError(
            f"{module.__file__} holds no recipe",
            expected="recipe = Recipe(...)",
            found="no such name" if recipe is None else type(recipe).__name__,
        )
    summary = (module.__doc__ or "").strip().splitlines()
    defaults = {"name": name, "summary": summary[0].rstrip(".") if summary else ""}
    return recipe.model_copy(update={key: value for key, value in defaults.items() if not getattr(recipe, key)})


def _from_yaml(path: Path, allow_code: bool, above: tuple[Path, ...]) -> Recipe:
    """Return the recipe of a YAML file, and of its base where it names one.

    Args:
        path: The file.
        allow_code: Whether the base may be Python code.
        above: The files whose base this file is, the first one first.
    """
    try:
        tree = read_yaml(path, RecipeLoader)
    except FileNotFoundError:
        if above:
            raise _no_file(path, above[-1]) from None
        fix = "check the path (relative to this folder)"
        raise UserError(f"the recipe file {path} does not exist", fix=fix) from None
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds no recipe", expected="keys and values", found=type(tree).__name__)
    tree.pop("allow_code", None)  # a file cannot allow its own code
    if "recipe" not in tree:
        return from_tree(tree, path.stem, where=str(path)).with_file_keys(FileKeys(str(path), CODE_KEYS))
    base = _base(tree.pop("recipe"), path, allow_code, above)
    return _on_base(base, tree, path)


def _on_base(base: Recipe, tree: Mapping[Any, Any], path: Path) -> Recipe:
    """Return a base with the keys of a YAML file, which remembers which keys that may name code are from files."""
    raise_all([written_with_dots(key, value, str(path)) for key, value in tree.items() if "." in str(key)])
    changes = {"name": path.stem, **dict(_changes(base, tree))}
    recipe = override(base, changes, where=str(path))
    own = (key for key in CODE_KEYS if any(key == one or key.startswith(f"{one}.") for one in changes))
    inherited = recipe.file_keys
    paths = [str(path), *([inherited.path] if inherited.keys else [])]
    # The recipe is that of the file: what the file changes in its base is no change of the user's.
    return recipe.with_file_keys(FileKeys(", ".join(paths), inherited.keys | frozenset(own))).with_changes(Changes())


def _changes(base: Recipe, tree: Mapping[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys that a file changes; an empty name, or a section without keys, changes none."""
    sections = base.model_dump(mode="json")
    for key, value in flat_keys(tree):
        has_section = value == {} and sections.get(key) is not None
        if (key, value) != ("name", "") and not has_section:
            yield key, value


def _base(name: object, path: Path, allow_code: bool, above: tuple[Path, ...]) -> Recipe:
    """Return the recipe that a YAML file names as its base.

    A recipe of the toolkit is named by its name, another YAML file by its path from the folder of the file that names
    it. Other bases are code, which runs only where the user has allowed it: names are compared with those of the
    toolkit's recipes, and not looked for as files or modules before that.

    Args:
        name: What the file gives as `recipe`.
        path: The file.
        allow_code: Whether the base may be Python code.
        above: The files whose base the file is.
    """
    where = f"{path}: recipe"
    if not isinstance(name, str) or not name.strip():
        expected = "the name of a recipe, or the path of a .yaml or .py file"
        raise UserError("recipe is wrong", expected=expected, found=shown(name), where=where)
    if name in recipe_names():
        return load_recipe(name)
    target = path.parent / Path(name).expanduser()
    if name.endswith(_YAML):
        chain = (*above, path)
        if target.resolve() in [one.resolve() for one in chain]:
            circle = " -> ".join(map(str, (*chain, target)))
            raise UserError("a recipe is its own base", where=where, found=circle, fix=f"take recipe: {name} out")
        return _from_yaml(target, allow_code, chain)
    is_module = "." in name and all(part.isidentifier() for part in name.split("."))
    if not name.endswith(".py") and not is_module:
        raise _no_recipe(name, where)
    if not allow_code:
        raise UserError(
            "a recipe in YAML has a base in Python, which does not run unless you allow it",
            where=where,
            expected="a recipe of the toolkit, another YAML file, or allow_code=true",
            found=f"recipe: {name} runs the {'file ' + str(target) if name.endswith('.py') else 'module ' + name}",
            fix="read that code; if you trust it, add allow_code=true to the command (in the file it does not count)",
        )
    if name.endswith(".py") and not target.is_file():
        raise _no_file(target, path)
    return load_recipe(str(target) if name.endswith(".py") else name)


def _no_file(base: Path, path: Path) -> UserError:
    fix = "check the path, which is relative to the folder of the file that names it"
    return UserError(f"the recipe file {base} does not exist", where=f"{path}: recipe", fix=fix)
