"""Shell completion of recipes, keys and their values."""

import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

from finetune import compose
from finetune.compose.recipe_keys import RecipeKey, find_keys
from finetune.compose.type_words import choices
from finetune.recipe.data_sets import data_set_names

SHELL_VARIABLE = "_FINETUNE_COMPLETE"
"""Environment variable by which a shell's script asks the command for completions."""


def complete_word(word: str) -> list[str]:
    """Return what a word `key=value` of the command line can become.

    A key that is typed in full, or that is the only one, is returned with `=` and with each of its values behind it:
    several completions, so that the shell adds no blank after the `=`.

    Args:
        word: The beginning of the word.
    """
    key, equals, value = word.partition("=")
    if equals:
        return [f"{key}={one}" for one in _values(key) if one.startswith(value)]
    found = (["recipe"] if "recipe".startswith(key) else []) + complete_key(key)
    if len(found) != 1:
        return [f"{name}=" for name in found]
    return [f"{found[0]}={one}" for one in dict.fromkeys(["", *_values(found[0])])]


def complete_key(word: str) -> list[str]:
    """Return the keys and sections of a recipe that begin with a word."""
    return [name for name in dict.fromkeys(compose.keys()) if name.startswith(word)]


def _values(key: str) -> list[str]:
    """Return the values that a key can have where they are a short list, and else its default."""
    if key == "recipe":
        return compose.recipe_names()
    if key == "data.sample":
        return list(data_set_names())
    return list(dict.fromkeys(value for one in find_keys(key) for value in _values_of(one)))


def _values_of(key: RecipeKey) -> list[str]:
    if key.field.annotation is bool:
        return ["false", "true"]
    listed = [one for one in choices(key.annotation) if isinstance(one, str)]
    default: Any = key.field.get_default()
    plain = [str(default)] if isinstance(default, int | float | str) and str(default) else []
    return listed or plain


def answer_bash(command: Callable[[], None]) -> None:
    """Answer Bash's request for completions, for which `key=val` is three words: `key`, `=` and `val`.

    Bash says what is typed by two environment variables: COMP_WORDS, a word a line, and COMP_CWORD, the number of the
    word that is completed. The words are joined before the command reads them, and what Bash does not replace, up to
    the last `=`, is taken off the answers.

    Args:
        command: The command, which prints the completions, and may exit.
    """
    words = os.environ["COMP_WORDS"].split("\n")[: int(os.environ["COMP_CWORD"]) + 1]
    *before, word = re.sub(r"\n?=\n?", "=", "\n".join(words)).split("\n")
    os.environ["COMP_WORDS"], os.environ["COMP_CWORD"] = "\n".join([*before, word]), str(len(before))
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            command()
    finally:
        kept = word[: word.rfind("=") + 1]
        sys.stdout.write("".join(f"{line.removeprefix(kept)}\n" for line in printed.getvalue().splitlines()))
