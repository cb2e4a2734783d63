"""From a recipe's name and `key=value` overrides to a `Recipe`.

A recipe is named by its module in recipes/, by a path to a .py or .yaml file, or by a dotted module that can be
imported. Overrides are `dotted.key=value` with values in YAML. All mistakes are collected and shown together.
"""

import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from finetune.documents import parse_yaml, read_yaml
from finetune.errors import UserError, nearest, raise_all
from finetune.recipe import Recipe, TaskSection, find_task, task_sections
from finetune.recipe.changes import find_changes
from finetune.recipe.code import CODE_KEYS, FileKeys, data_sets_named
from finetune.recipe.data_sets import unknown_data_sets

DEFAULT_RECIPE = "sentiment_sample"
_SAMPLE = "data.sample"
_LONGEST_VALUE = 200
"""Characters of a wrong value that a message shows."""
_PACKAGE = Path(__file__).resolve().parent
# An installed wheel carries the recipes inside; beside it, other distributions have a package `recipes` of their own.
_RECIPES = _PACKAGE / "recipes" if (_PACKAGE / "recipes").is_dir() else _PACKAGE.parent / "recipes"


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values: `no` is Norwegian, 1e-3 is a number, 2026-01-01 a word."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (as its base class has it)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads back as it was."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (as its base class has it)


_PLAIN_VALUES = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?(0|[1-9]\d*)", list("-+0123456789")),
    "float": (
        r"[-+]?(\d+\.\d*([eE][-+]?\d+)?|\.\d+([eE][-+]?\d+)?|\d+[eE][-+]?\d+|\.inf)|\.nan",
        list("-+0123456789."),
    ),
}
for _tag, (_pattern, _first) in _PLAIN_VALUES.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), _first)


def compose(arguments: Sequence[str], default: str | None = None) -> Recipe:
    """Resolve command-line words such as `recipe=sst2 training.epochs=1`.

    Args:
        arguments: Words of the form `key=value`; a first word without `=` is taken as the recipe.
        default: Recipe to take where none is named.

    Raises:
        UserError: A word, the recipe or some of its values are wrong; all of them are told at once.
    """
    overrides = parse_overrides(arguments)
    name = overrides.pop("recipe", _recipe_of_run(overrides.get("resume")) or default)
    if not isinstance(name, str):
        raise UserError("no recipe is named", expected="recipe=NAME", fix=f"one of: {', '.join(recipe_names())}")
    recipe = override(load_recipe(name), overrides)
    if recipe.resume is None:  # a run that is resumed may have only to be published, without its data
        raise_all(unknown_data_sets({named.key: named.name for named in data_sets_named(recipe.data)}))
    return recipe


def _recipe_of_run(folder: object) -> str | None:
    """The recipe that a run's folder holds, where `folder` is one."""
    path = Path(str(folder)) / "recipe.yaml"
    return str(path) if path.is_file() else None


def parse_overrides(arguments: Sequence[str]) -> dict[str, Any]:
    """Read `dotted.key=value` words into a flat dictionary, values parsed as YAML; `key=` is an empty text.

    Raises:
        UserError: A word has no `=`, is not YAML, or repeats a key.
    """
    values: dict[str, Any] = {}
    errors: list[UserError] = []
    for position, word in enumerate(arguments):
        key, equals, text = word.partition("=")
        if not equals and position == 0 and not word.startswith("-"):
            key, text = "recipe", word
        elif not equals or not key:
            errors.append(UserError(f"{word!r} is not of the form key=value", fix="training.epochs=1, say"))
            continue
        if key in values:
            errors.append(UserError(f"{key} is given twice", found=f"{values[key]!r} and {text!r}"))
            continue
        try:
            values[key] = _parse_value(text)
        except yaml.YAMLError as error:
            reason = str(error).splitlines()[0]
            errors.append(UserError(f"the value of {key} is not YAML: {reason}", found=text, fix="put it in quotes"))
    raise_all(errors)
    return values


def _parse_value(text: str) -> Any:
    value = parse_yaml(text, _Loader)
    if value is None and text.strip().lower() not in ("null", "~"):
        return text  # nothing at all, or what YAML takes for a comment
    if isinstance(value, dict | list) and not text.lstrip().startswith(("{", "[")):
        return text  # "translate English to German: " is a prefix and no mapping
    return value


def override(recipe: Recipe, overrides: Mapping[str, Any]) -> Recipe:
    """A copy of `recipe` with dotted keys set to new values.

    Raises:
        UserError: Unknown keys or wrong values, all at once.
    """
    errors = [*_contradictions(overrides), *_nameless(overrides)]
    raise_all(errors)
    tree = recipe.model_dump(mode="json")
    kind = overrides.get("task.kind", recipe.task.kind)
    other = None if kind == recipe.task.kind or not isinstance(kind, str) else find_task(kind)
    if other is not None:
        tree["task"] = {key: value for key, value in tree["task"].items() if key in other.model_fields}
    for key, value in overrides.items():
        path = key.split(".")
        section: dict[str, Any] = tree
        for part in path[:-1]:
            if not isinstance(section.get(part), dict):
                section[part] = {}
            section = section[part]
        section[path[-1]] = value
    unknown = [key for key in overrides if not _key_exists(key)]
    errors += [_unknown_key(key, overrides[key]) for key in unknown]
    errors += unknown_data_sets({key: name for key, name in overrides.items() if key == _SAMPLE and _is_name(name)})
    try:
        resolved = _validate(tree)
    except ValidationError as error:
        errors += [wrong for wrong in _translate(error) if not _is_told(wrong.where or "", unknown)]
    raise_all(errors)
    changes = find_changes(recipe.model_dump(mode="json"), resolved.model_dump(mode="json"), overrides)
    return resolved.with_file_keys(recipe.file_keys.without(overrides)).with_changes(recipe.changes.then(changes))


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _contradictions(overrides: Mapping[str, Any]) -> list[UserError]:
    """A key together with one inside it: the one would undo the other."""
    return [
        UserError(
            f"{outer} and {inner} are both given",
            fix=f"give the parts one by one ({outer}.mask=..., say), or {outer} as a whole: {{...}}",
        )
        for inner in overrides
        for outer in overrides
        if inner.startswith(outer + ".")
    ]


def _nameless(overrides: Mapping[str, Any]) -> list[UserError]:
    """Refuse an empty name: a recipe without one of its own takes that of its module, not that of no folder."""
    if overrides.get("name", "given") != "":
        return []
    return [UserError("the run has no name", found="name=", fix="name=my_run, say, or leave name out")]


def _is_told(where: str, unknown: Sequence[str]) -> bool:
    """Whether a complaint is about one of the unknown keys, or about a section that only they brought in."""
    return any(key == where or key.startswith(where + ".") for key in unknown) if where else False


def load_recipe(name: str) -> Recipe:
    """The recipe of that name: a module in recipes/, a .py or .yaml file, or a dotted module.

    Raises:
        UserError: There is none, or it does not hold a valid recipe.
    """
    if name.endswith((".yaml", ".yml")):
        return _from_yaml(Path(name))
    if (path := _file(name)) is not None:
        return _from_module(_import_file(path), path.stem)
    if (spec := _dotted(name)) is not None:
        return _from_module(_execute(spec), name.rpartition(".")[2])
    near = nearest(name, recipe_names())
    raise UserError(
        f"there is no recipe {name!r}",
        expected=", ".join(recipe_names()) + ", a path to a .py or .yaml file, or a module",
        fix=f"did you mean recipe={near}?" if near else "finetune list shows every recipe",
    )


def source(name: str) -> Path:
    """The file of a recipe that `load_recipe` finds."""
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    if (path := _file(name)) is not None:
        return path
    spec = _dotted(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin)


def _file(name: str) -> Path | None:
    """The Python file that a recipe's name means, or None where it means no file.

    Raises:
        UserError: It is the path of a file that does not exist.
    """
    if not name.endswith(".py"):
        return path if (path := _RECIPES / f"{name}.py").is_file() else None
    if not Path(name).is_file():
        raise UserError(f"the recipe file {name} does not exist", fix="check the path (relative to this folder)")
    return Path(name)


def recipe_names() -> list[str]:
    """Names of the recipes that come with the toolkit, sorted."""
    return sorted(path.stem for path in _RECIPES.glob("[a-z]*.py"))


def to_yaml(recipe: Recipe) -> str:
    """Return the whole recipe as YAML, which `recipe=that.yaml` runs again.

    `allow_code` is left out, since a file cannot allow its own code.
    """
    tree = recipe.model_dump(mode="json", exclude={"allow_code"})
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def keys(section: type[BaseModel] = Recipe, prefix: str = "") -> Iterator[str]:
    """Every dotted key of a recipe; those of each task included."""
    for name, field in section.model_fields.items():
        yield prefix + name
        for inner in _sections(field.annotation):
            yield from keys(inner, f"{prefix}{name}.")


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    if annotation is TaskSection:
        yield from task_sections().values()
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _sections(argument)


def _key_exists(key: str) -> bool:
    return key in set(keys())


def _unknown_key(key: str, value: object) -> UserError:
    known = list(dict.fromkeys(keys()))
    last = key.rpartition(".")[2]
    near = nearest(key, known) or next((name for name in known if name.rpartition(".")[2] == last), None)
    return UserError(
        f"{key} is not a key of a recipe",
        found=f"{key}={value}",
        fix=f"did you mean {near}?" if near else "finetune show recipe=... prints every key",
    )


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"finetune_recipe_{path.stem}", path)
    assert spec is not None
    return _execute(spec)


def _dotted(name: str) -> ModuleSpec | None:
    """Where the module of that dotted name is, or None where there is none."""
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
        raise_all(_translate(error, where=spec.origin))
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


def _from_yaml(path: Path) -> Recipe:
    try:
        tree = read_yaml(path, _Loader)
    except FileNotFoundError:
        raise UserError(
            f"the recipe file {path} does not exist", fix="check the path (relative to this folder)"
        ) from None
    if not isinstance(tree, dict):
        raise UserError(f"{path} holds no recipe", expected="keys and values", found=type(tree).__name__)
    tree.pop("allow_code", None)  # a file cannot allow its own code
    return from_tree(tree, path.stem, where=str(path)).with_file_keys(FileKeys(str(path), CODE_KEYS))


def from_tree(tree: Mapping[str, Any], name: str, where: str | None = None) -> Recipe:
    """The recipe that nested keys and values make.

    Args:
        tree: The sections by name: `{"task": {"kind": ...}, "model": {...}, "data": {...}}`.
        name: The recipe's name, where the tree has none.
        where: What holds the tree, for messages; the key where None.

    Raises:
        UserError: Unknown keys or wrong values, all at once.
    """
    try:
        return _validate({**tree, "name": tree.get("name") or name})
    except ValidationError as error:
        raise_all(_translate(error, where=where))
        raise


def _validate(tree: Mapping[str, Any]) -> Recipe:
    """Return the recipe of a tree of keys.

    Raises:
        ValidationError: Keys are unknown or values wrong.
        UserError: A text holds half of a surrogate pair, at which pydantic's messages fail.
    """
    try:
        return Recipe.model_validate(tree)
    except UnicodeEncodeError as error:
        half = error.object[error.start : error.end]
        raise UserError(
            "a value holds characters that no text can hold",
            expected="characters of Unicode, without halves of surrogate pairs",
            found=ascii(half),
            fix="write the character itself in place of its \\u escapes",
        ) from error


def _translate(error: ValidationError, where: str | None = None) -> list[UserError]:
    """Each of pydantic's complaints in the words of this project."""
    return [_translate_one(dict(detail), where) for detail in error.errors()]


def _shown(value: object) -> str:
    """Return a value for a message, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        return "a number of more than 4,300 digits"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _translate_one(detail: dict[str, Any], where: str | None) -> UserError:
    location = [str(part) for part in detail["loc"]]
    if location[:1] == ["task"] and len(location) > 1 and location[1] in task_sections():
        del location[1]  # pydantic puts the union's tag there
    key = ".".join(location)
    if detail["type"] == "extra_forbidden":
        unknown = _unknown_key(key, detail["input"])
        if not _key_exists(key):
            return UserError(unknown.problem, found=unknown.found, fix=unknown.fix, where=where or key)
        return UserError(
            f"{key} does not go with this recipe's task", found=f"{key}={detail['input']}", where=where or key
        )
    message = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    found = "" if detail["type"] == "missing" or isinstance(detail["input"], dict) else _shown(detail["input"])
    if detail["type"] == "value_error":
        return UserError(f"{key}: {message}" if key else message, where=where)
    return UserError(f"{key} is wrong", expected=message, found=found, where=where or key)
