"""Values in YAML 1.2, as recipes and the words of a command line hold them."""

import math
import re
from typing import Any

import yaml

from finetune.documents import parse_yaml


class RecipeLoader(yaml.SafeLoader):
    """Reads YAML 1.2's plain values: `no` is Norwegian, 1e-3 is a number, 2026-01-01 a word."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 (as its base class has it)


class RecipeDumper(yaml.SafeDumper):
    """Writes what `RecipeLoader` reads back as it was."""

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
    for _class in (RecipeLoader, RecipeDumper):
        _class.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), _first)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    """Write a text in double quotes where it holds line breaks of Unicode, which PyYAML reads back as others."""
    style = '"' if any(character in text for character in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


RecipeDumper.add_representer(str, _represent_text)


def parse_value(text: str) -> Any:
    """Return the value that a word `key=text` gives a key.

    Raises:
        yaml.YAMLError: The text is not YAML.
    """
    value = parse_yaml(text, RecipeLoader)
    if value is None and text.strip().lower() not in ("null", "~"):
        return text  # nothing at all, or what YAML takes for a comment
    if isinstance(value, dict | list) and not text.lstrip().startswith(("{", "[")):
        return text  # "translate English to German: " is a prefix and no mapping
    return value


def dump_yaml(tree: Any) -> str:
    """Return values as YAML, keys in their order."""
    return yaml.dump(tree, Dumper=RecipeDumper, sort_keys=False, allow_unicode=True)


def written(value: Any) -> str:
    """Return a value on one line, as it is written after `key=`."""
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)  # YAML 1.1 needs 5.0e-05
    try:
        text = yaml.dump(
            value, Dumper=RecipeDumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9
        )
    except yaml.YAMLError:  # an object of Python
        return str(value)
    except ValueError:  # Python refuses to write integers of more than 4,300 digits
        return "a number of more than 4,300 digits"
    return text.strip().removesuffix("...").strip()
