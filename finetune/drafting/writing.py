"""A drafted recipe as YAML, with the reasons as comments."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from finetune import atomic
from finetune.drafting.keys import DraftedKey
from finetune.errors import UserError

_PLAIN = re.compile(r"[A-Za-z_][\w./-]*", re.ASCII)
_NOT_PLAIN = frozenset(["true", "false", "null", "yes", "no", "on", "off", "y", "n"])
_ORDER = ("task", "data", "model", "adapter", "attention", "training", "evaluation", "hub")
_WIDTH = 110
_SHORT = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}


def to_text(keys: Iterable[DraftedKey], head: Sequence[str]) -> str:
    """Return the YAML of a recipe.

    Args:
        keys: Its keys.
        head: Lines of the comment that opens the file.
    """
    keys = sorted(keys, key=lambda one: _place(one.key))
    lines = [_comment(line) for line in head]
    open_sections: list[str] = []
    for one in keys:
        *sections, name = one.key.split(".")
        shared = 0
        while shared < min(len(sections), len(open_sections)) and sections[shared] == open_sections[shared]:
            shared += 1
        lines += ["  " * depth + f"{scalar(sections[depth])}:" for depth in range(shared, len(sections))]
        open_sections = sections
        lines += _lines("  " * len(sections), name, one)
    return "\n".join(lines) + "\n"


def _place(key: str) -> tuple[int, tuple[str, ...]]:
    """Return where a key stands: sections in a fixed order, and the keys of an inner section together at its end."""
    *sections, _ = key.split(".")
    top = sections[0] if sections else key
    return (_ORDER.index(top) if top in _ORDER else len(_ORDER) if sections else -1, tuple(sections))


def _lines(indent: str, name: str, one: DraftedKey) -> list[str]:
    doubt = [f"{indent}{_comment(f'not certain: {one.doubt}')}"] if one.doubt else []
    entry = f"{indent}{scalar(name)}: {to_yaml(one.value)}"
    if not one.reason:
        return [*doubt, entry]
    beside = f"{entry}  {_comment(one.reason)}"
    if len(beside) <= _WIDTH:
        return [*doubt, beside]
    return [f"{indent}{_comment(one.reason)}", *doubt, entry]


def _comment(text: str) -> str:
    """Return a comment of one line, with characters that would end it or are invisible as escapes."""
    return f"# {_escaped(text)}".rstrip()


def _escaped(text: str) -> str:
    return "".join(one if one.isprintable() else _escape(one) for one in text)


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def to_yaml(value: Any) -> str:
    """Return a value of a recipe as YAML in one line."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(str(key))}: {to_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(to_yaml, value)) + "]"
    return scalar(str(value))


def _number(value: float) -> str:
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}{e}{int(exponent)}" if e else text


def scalar(text: str) -> str:
    """Return a text as a YAML scalar: plain where no reader takes it for something else, else in double quotes."""
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN:
        return text
    return '"' + _escaped(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def write_recipe(text: str, path: Path, *, overwrite: bool) -> None:
    """Write a drafted recipe.

    Args:
        text: Its YAML.
        path: The file.
        overwrite: Whether it may replace a file that is there.

    Raises:
        UserError: There is a file already, the name is not that of a YAML file, or it cannot be written.
    """
    if path.suffix not in (".yaml", ".yml"):
        raise UserError(
            "a drafted recipe is YAML",
            where=f"--output {path}",
            expected="a name that ends in .yaml",
            fix=f"--output {path.with_suffix('.yaml') if path.name else 'recipe.yaml'}",
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if overwrite:
            atomic.write_text(path, text)
        else:
            _write_new(path, text)
    except (OSError, UnicodeEncodeError, ValueError) as error:
        raise UserError(f"{path} cannot be written", found=str(error), fix="name another place") from error


def _write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet.

    Raises:
        UserError: It is there.
    """
    try:
        file = path.open("x", encoding="utf-8")
    except FileExistsError:
        raise UserError(
            f"{path} is there already, and is left as it is",
            fix="--output names another file; --overwrite replaces this one",
        ) from None
    with file:
        file.write(text)
