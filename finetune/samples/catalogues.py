"""Read translations of interface strings from a wheel, without unpacking it.

Two forms are known: gettext catalogues (`locale/<language>/LC_MESSAGES/*.po`), whose message ids are English, and the
JSON files of Home Assistant (`translations/<language>.json`), in which a string has the same key in every language.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from finetune.errors import MissingExtra

CATALOGUE = re.compile(r".+/(?:locale/([^/.]+)/LC_MESSAGES/[^/]+\.po|translations/([^/.]+)\.json)")


def check_parser() -> None:
    """Check that gettext catalogues can be read, before they are downloaded.

    Raises:
        MissingExtra: polib is not installed.
    """
    try:
        import polib  # noqa: F401
    except ImportError as error:
        raise MissingExtra("the interface sample", "samples") from error


def normal(language: str) -> str:
    """Return the normal spelling of a language's code: pt-br for pt_BR, and fi for fi_FI, whose region is redundant."""
    base, _, rest = language.replace("_", "-").casefold().partition("-")
    return base if rest in ("", base) else f"{base}-{rest}"


def languages_of(wheel: zipfile.ZipFile) -> set[str]:
    """Return the languages, in their normal spelling, that the wheel has a catalogue of."""
    return {language for _, language in _files(wheel)}


def translations(wheel: zipfile.ZipFile, language: str) -> Iterator[tuple[str, str]]:
    """Yield pairs of an English string and its translation in the order of the wheel, where strings may repeat."""
    for name, file_language in _files(wheel):
        if file_language != normal(language):
            continue
        if name.endswith(".po"):
            yield from _gettext(wheel.read(name).decode())
        else:
            english = name.rpartition("/")[0] + "/en.json"
            yield from _json(json.loads(wheel.read(english)), json.loads(wheel.read(name)))


def _files(wheel: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield the name of each catalogue with its language."""
    for name in wheel.namelist():
        match = CATALOGUE.fullmatch(name)
        if match:
            yield name, normal(match[1] or match[2])


def _gettext(text: str) -> Iterator[tuple[str, str]]:
    """Yield the translations of a catalogue that a translator has confirmed: neither obsolete nor fuzzy nor empty."""
    import polib

    for entry in polib.pofile(text):
        if entry.obsolete or entry.fuzzy:
            continue
        forms = entry.msgstr_plural
        if not entry.msgid_plural:
            yield entry.msgid, entry.msgstr
        elif len(forms) == 2:
            # With one form or with more than two, it cannot be told which one translates the English plural.
            yield entry.msgid, forms[0]
            yield entry.msgid_plural, forms[1]


def _json(english: dict[str, Any], translated: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of strings that have the same keys in two nested mappings."""
    for key, source in english.items():
        target = translated.get(key)
        if isinstance(source, dict) and isinstance(target, dict):
            yield from _json(source, target)
        elif isinstance(source, str) and isinstance(target, str):
            yield source, target
