"""Reading small JSON and YAML files that somebody else may have written, within limits.

A recipe or a configuration beside a model is a few kilobytes. A file made to do harm can be small as well and grow when
it is read: YAML's aliases repeat a part as often as they are named, within one another too. What is beyond the limits
is refused before it is built.
"""

import json
from pathlib import Path
from typing import Any, NoReturn

import yaml

from finetune.errors import UserError

MAX_BYTES = 16 * 2**20
"""The largest size of a file in bytes; a configuration that names 100,000 labels has a few million."""
MAX_DEPTH = 50
"""The largest number of lists and mappings within one another."""
MAX_NODES = 100_000
"""The largest number of values of a YAML file, each counted as often as aliases repeat it."""


def read_json(path: Path, *, allow_nan: bool = False) -> dict[str, Any]:
    """Return the object that a JSON file holds.

    Args:
        path: The file.
        allow_nan: Whether NaN and Infinity, which Python writes and RFC 8259 does not allow, are read as numbers. A
            metric may be one, and a setting of a model may not.

    Raises:
        UserError: The file is not JSON, holds something else than an object, exceeds a limit, or cannot be read.
    """
    text = _text(path, "JSON")
    try:
        value = json.loads(text, parse_constant=float if allow_nan else _refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON", found=str(error), where=str(path), fix=_FETCH) from error
    if not isinstance(value, dict):
        raise UserError(
            f"{path} does not hold what it should", expected="a JSON object: {...}", found=_kind(value), where=str(path)
        )
    if _depth(value) > MAX_DEPTH:
        raise _too_deep(path)
    return value


def read_yaml(path: Path, loader: type[yaml.SafeLoader]) -> Any:
    """Return the value that a YAML file holds.

    Args:
        path: The file.
        loader: The class that reads values, which is one of the safe loaders.

    Raises:
        UserError: The file is not YAML, exceeds a limit, or cannot be read.
        FileNotFoundError: There is no such file.
    """
    text = _text(path, "YAML")
    try:
        return parse_yaml(text, loader)
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML", found=" ".join(str(error).split())) from error


def parse_yaml(text: str, loader: type[yaml.SafeLoader]) -> Any:
    """Return the value that YAML text represents.

    Raises:
        yaml.YAMLError: The text is not YAML, or exceeds a limit.
    """
    _check_depth(text, loader)
    instance = loader(text)
    try:
        node = instance.get_single_node()
        if node is None:
            return None
        if _count(node, {}) > MAX_NODES:
            raise yaml.YAMLError(f"its aliases (*name) make more than {MAX_NODES:,} values of it")
        return instance.construct_document(node)
    except ValueError as error:  # a number of more digits than Python reads
        raise yaml.YAMLError(str(error)) from error
    finally:
        instance.dispose()


_FETCH = "fetch or copy the file again"


def _text(path: Path, form: str) -> str:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise UserError(
            f"{path} is too large for what it should hold",
            expected=f"at most {MAX_BYTES:,} bytes",
            found=f"{size:,} bytes",
            where=str(path),
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not {form}", found=str(error), where=str(path), fix="save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read", found=str(error.strerror or error), where=str(path)) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name}, which is no number of JSON")


def _kind(value: object) -> str:
    return {list: "a list", str: "a text", type(None): "null"}.get(type(value), f"a {type(value).__name__}")


def _depth(value: object) -> int:
    """Return how many lists and mappings lie within one another, or one more than the limit if there are more."""
    level, depth = [value], 0
    while depth <= MAX_DEPTH and (holders := [each for each in level if isinstance(each, dict | list)]):
        level = [one for each in holders for one in (each.values() if isinstance(each, dict) else each)]
        depth += 1
    return depth


def _too_deep(path: Path) -> UserError:
    return UserError(
        f"{path} does not hold what it should",
        expected=f"at most {MAX_DEPTH} lists and objects within one another",
        found="more",
        where=str(path),
    )


def _check_depth(text: str, loader: type[yaml.SafeLoader]) -> None:
    """Refuse deep nesting before nodes are built, which takes one recursive call for each level.

    Raises:
        yaml.YAMLError: More lists and mappings than the limit are within one another.
    """
    depth = 0
    for event in yaml.parse(text, loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"more than {MAX_DEPTH} lists and mappings are within one another")


def _count(node: yaml.Node, counted: dict[int, int | None]) -> int:
    """Return the number of values under a node, each counted as often as it is named.

    Raises:
        yaml.YAMLError: A node holds itself.
    """
    if id(node) in counted:
        count = counted[id(node)]
        if count is None:
            raise yaml.YAMLError("an alias (*name) stands within what it names")
        return count
    counted[id(node)] = None
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = list(node.value)
    total = 1 + sum(_count(part, counted) for part in parts)
    counted[id(node)] = total
    return total
