"""Line-aligned files: their languages, and which of them is translated into which."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finetune.drafting.languages import language_code
from finetune.errors import UserError

_BRACES = re.compile(r".*\{(?P<names>[^{}]*)\}(?P<end>.*)")


@dataclass(frozen=True)
class LanguagePair:
    """The languages of two line-aligned files or columns, the source first.

    Args:
        columns: The ends of the files' names, or the columns' names.
        codes: The ISO 639 codes of the languages; empty where they are unknown.
        reason: Why this is the direction.
        doubt: What speaks for another direction; empty where it is certain.
    """

    columns: tuple[str, str]
    codes: tuple[str, str]
    reason: str = ""
    doubt: str = ""


def aligned_languages(folder: Path) -> dict[str, tuple[str, ...]]:
    """Return the languages of the line-aligned files in a folder, by their common start, where there are several."""
    found: dict[str, list[str]] = {}
    try:
        names = sorted(path.name.removesuffix(".gz") for path in folder.iterdir() if path.is_file())
    except (OSError, ValueError):  # ValueError: the name holds a NUL
        return {}
    for name in names:
        start, dot, ending = name.rpartition(".")
        if dot and language_code(ending):
            found.setdefault(start, []).append(ending)
    return {start: tuple(endings) for start, endings in found.items() if len(endings) > 1}


def of_braces(path: str) -> tuple[str, ...]:
    """Return the columns of `news.{src.de,ref.en}`: the ends of the names, where these are languages."""
    match = _BRACES.fullmatch(path)
    if match is None:
        return ()
    if match["names"].count(",") != 1:
        return ()  # the reader raises the error
    endings = [f"{name}{match['end']}".removesuffix(".gz").rpartition(".")[2] for name in match["names"].split(",")]
    are_languages = all(map(language_code, endings)) and len(set(endings)) == len(endings)
    return tuple(endings) if are_languages else ("source", "target")


def choose_pair(
    where: str, languages: Sequence[str], wanted: tuple[str | None, str | None], *, is_ordered: bool = False
) -> LanguagePair:
    """Return which of the languages is translated into which.

    Args:
        where: What has these languages, for messages.
        languages: The languages, as files or columns call them.
        wanted: The source and the target that the user has given.
        is_ordered: Whether the order of `languages` tells the direction.

    Raises:
        UserError: The user's languages are not among them, or nothing decides which of them are meant.
    """
    for option, name in zip(("source", "target"), wanted, strict=True):
        if name is not None and name not in languages:
            raise UserError(
                f"there is no {option} {name!r}",
                where=where,
                found=", ".join(languages),
                fix=f"--{option} {languages[0]}, say",
            )
    source, target = _completed(languages, wanted)
    if source is not None and target is not None:
        return _pair(source, target, "given")
    english = next((name for name in languages if language_code(name) == "en"), None)
    if len(languages) == 2 and is_ordered:
        return _pair(languages[0], languages[1], "in the order in which they are named")
    if len(languages) == 2 and english is not None:
        (other,) = (name for name in languages if name != english)
        return _pair(
            english, other, "", f"nothing tells the direction: --source {other} --target {english} turns it round"
        )
    raise UserError(
        "nothing tells which language is translated into which",
        where=where,
        found=", ".join(languages),
        fix=f"--source {languages[0]} --target {languages[1]}, say",
    )


def _completed(languages: Sequence[str], wanted: tuple[str | None, str | None]) -> tuple[str | None, str | None]:
    """Return the pair, where the user has given one of two languages, with the other one."""
    source, target = wanted
    if len(languages) == 2 and (source is None) != (target is None):
        (other,) = (name for name in languages if name != (source or target))
        return source or other, target or other
    return source, target


def _pair(source: str, target: str, reason: str, doubt: str = "") -> LanguagePair:
    codes = (language_code(source) or "", language_code(target) or "")
    return LanguagePair((source, target), codes, reason, doubt)
