"""The words of a command line: `recipe=NAME` and `key=value`."""

import re
from collections.abc import Sequence
from typing import Any

import yaml

from finetune.compose.recipe_keys import key_exists
from finetune.compose.unknown_keys import unknown_key
from finetune.compose.yaml_values import parse_value
from finetune.errors import UserError, raise_all

_OPTION = re.compile(r"--?[A-Za-z][\w.\-]*")


def parse_overrides(arguments: Sequence[str]) -> dict[str, Any]:
    """Read `dotted.key=value` words into a flat dictionary, values parsed as YAML; `key=` is an empty text.

    Raises:
        UserError: A word has no `=` or is an option of another tool, is not YAML, or repeats a key.
    """
    values: dict[str, Any] = {}
    errors: list[UserError] = []
    words = _with_values(arguments)
    for position, word in enumerate(words):
        key, equals, text = word.partition("=")
        if _OPTION.fullmatch(key):
            errors.append(_option(key, text if equals else None))
            continue
        if not equals and position == 0 and not word.startswith("-"):
            key, text = "recipe", word
        elif not equals or not key:
            errors.append(_no_value(word))
            continue
        if key in values:
            errors.append(UserError(f"{key} is given twice", found=f"{values[key]!r} and {text!r}"))
            continue
        try:
            values[key] = parse_value(text)
        except yaml.YAMLError as error:
            reason = str(error).splitlines()[0]
            errors.append(UserError(f"the value of {key} is not YAML: {reason}", found=text, fix="put it in quotes"))
    raise_all(errors)
    return values


def _with_values(arguments: Sequence[str]) -> list[str]:
    """Return the words with an option of another tool and the value that follows it as one word: `--lr=1e-3`."""
    words: list[str] = []
    for word in arguments:
        follows = bool(words) and _OPTION.fullmatch(words[-1]) is not None
        if follows and "=" not in word and not _OPTION.fullmatch(word):
            words[-1] = f"{words[-1]}={word}"
        else:
            words.append(word)
    return words


def _option(option: str, text: str | None) -> UserError:
    """Return the error for an option with dashes, by which other tools name what is a key here."""
    name = option.lstrip("-").replace("-", "_")
    found = option if text is None else f"{option}={text}"
    if name == "recipe" or key_exists(name):
        value = ("NAME" if name == "recipe" else "...") if text is None else text
        return UserError(
            f"{option} is not an option: keys are written without dashes", found=found, fix=f"write {name}={value}"
        )
    unknown = unknown_key(option, "..." if text is None else text)
    return UserError(unknown.problem, found=found, fix=unknown.fix)


def _no_value(word: str) -> UserError:
    key = word if key_exists(word) else "training.epochs"
    example = "training.epochs=1" if key in ("training", "training.epochs") else f"{key}=..."
    return UserError(f"{word!r} is not of the form key=value", fix=f"{example}, say")
