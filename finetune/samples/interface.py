"""Provide strings of user interfaces in parallel: labels, messages and hints, in English and many other languages.

The sources are the translations inside the wheels of Django and Wagtail (BSD-3-Clause; web sites), Spyder (MIT; an
editor), Horizon (Apache-2.0; administration of clouds) and Home Assistant (Apache-2.0; appliances). Two thirds of the
strings are Home Assistant's. Placeholders (%(count)s, {name}), HTML tags and Markdown are kept as they are. The
projects differ in style: in German, Home Assistant says "du" to the user and the others say "Sie".
"""

import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path

from finetune.errors import UserError
from finetune.samples.catalogues import check_parser, languages_of, normal, translations
from finetune.samples.columns import select_columns
from finetune.samples.fetch import fetch
from finetune.samples.package import Package
from finetune.samples.split import SampleRow, SampleSplits, split_by_hash

PACKAGES = (
    Package(
        name="Django",
        version="5.2.8",
        kind="wheel",
        sha256="37e687f7bd73ddf043e2b6b97cfe02fcbb11f2dbb3adccc6a2b18c6daa054d7f",
        licence="BSD-3-Clause",
    ),
    Package(
        name="wagtail",
        version="7.2",
        kind="wheel",
        sha256="2c0d41545976b57266e84df3f03e7dd812e6a4d0a8d61d5b76863fe021613973",
        licence="BSD-3-Clause",
    ),
    Package(
        name="spyder",
        version="6.1.0",
        kind="wheel",
        sha256="2c09c2c47d82b19bc466fce899519e98e79468fe6ffcd07d80356eada9c43d4e",
        licence="MIT",
    ),
    Package(
        name="horizon",
        version="27.0.0",
        kind="wheel",
        sha256="8a981dae4fb6626e71553aa185f6e429b0b1efb86b04b0a72c3b18ee04f1f990",
        licence="Apache-2.0",
    ),
    Package(
        name="homeassistant",
        version="2024.3.3",
        kind="wheel",
        sha256="6e1ec2c07441d63fdcfb8acd2c4bbb6f68bc97330855784d3623d10c38fe3577",
        licence="Apache-2.0",
    ),
)
MOST_WORDS = 40
"""The number of words above which an English string is left out: longer ones are pages of instructions rather than
strings of an interface."""


def load_interface(split: str, columns: Sequence[str]) -> list[SampleRow]:
    """Return one split of the strings that several languages share, from wheels that are downloaded the first time.

    The wheels take 72 MB. English and German have 17,511 pairs in train, 1,018 in dev and 1,094 in test; an English
    string has 5.2 words on average and at most 40. Other languages have from a few hundred pairs with English to about
    as many as German.

    Args:
        split: One of train, dev and test.
        columns: Two codes of languages or more, spelt pt_BR or pt-br; each is the name of a column.

    Raises:
        UserError: A package cannot be fetched, a language is in none of them, or the languages share too few strings.
        MissingExtra: polib is not installed.
    """
    check_parser()
    wheels = tuple(next(fetch(package).glob("*.whl")) for package in PACKAGES)
    return select_columns(_read(wheels, tuple(columns)), split, columns)


def convert_interface(wheels: Iterable[Path], languages: Sequence[str]) -> SampleSplits:
    """Return the strings that all languages have in the catalogues of the wheels, split, with a column for each.

    Each English string occurs once. Strings that differ only in case, blanks, punctuation, placeholders or numbers are
    in one split, which depends on the English string alone: a string is in the test split for every pair of languages
    or for none.

    Args:
        wheels: The paths of the wheels.
        languages: Two codes or more, spelt pt_BR or pt-br; the columns are named by them.

    Raises:
        UserError: A language is in none of the wheels, there are fewer than two, or they share too few strings.
    """
    with ExitStack() as stack:
        opened = [stack.enter_context(zipfile.ZipFile(wheel)) for wheel in wheels]
        _check_languages(languages, opened)
        translated = {language: _translations(opened, language) for language in languages if normal(language) != "en"}
    splits = split_by_hash(_keyed_rows(languages, translated), dev_share=0.05, test_share=0.05)
    if not all(splits.values()):
        raise UserError(
            f"the interface sample has too few strings in {' and '.join(languages)}",
            found=str(sum(map(len, splits.values()))),
        )
    return splits


_read = lru_cache(maxsize=1)(convert_interface)  # it is asked for each split in turn


def _keyed_rows(languages: Sequence[str], translated: dict[str, dict[str, str]]) -> Iterator[tuple[str, SampleRow]]:
    """Yield the key and the row of each English string that every language translates.

    Args:
        languages: The columns of the rows.
        translated: The translations of English strings into each language other than English.
    """
    for source in next(iter(translated.values())):
        if all(source in targets for targets in translated.values()):
            texts = {language: targets[source] for language, targets in translated.items()}
            yield _key(source), {language: texts.get(language, source) for language in languages}


def _check_languages(languages: Sequence[str], wheels: Iterable[zipfile.ZipFile]) -> None:
    """Check that there are two languages or more, and that a wheel has catalogues of each.

    Raises:
        UserError: There are fewer, or a language is in none of the wheels.
    """
    if len({normal(language) for language in languages}) < 2:
        raise UserError(
            "the interface sample needs two languages",
            found=", ".join(languages) or "none",
            fix="name two, as in task.source=en task.target=de",
        )
    known = {"en"}.union(*(languages_of(wheel) for wheel in wheels))
    for language in languages:
        if normal(language) not in known:
            raise UserError(
                f"the interface sample has no language {language!r}", expected="one of " + ", ".join(sorted(known))
            )


def _translations(wheels: Iterable[zipfile.ZipFile], language: str) -> dict[str, str]:
    """Return the translation of each English string: the most frequent one, or the first of equally frequent ones."""
    found: dict[str, Counter[str]] = {}
    for wheel in wheels:
        for pair in translations(wheel, language):
            source, target = map(_clean, pair)
            if _is_translation(source, target):
                found.setdefault(source, Counter())[target] += 1
    return {source: targets.most_common(1)[0][0] for source, targets in found.items()}


def _clean(text: str) -> str:
    """Return a text without blanks at its ends, in which every line break or run of blanks is one blank."""
    return " ".join(text.split())


def _is_translation(source: str, target: str) -> bool:
    """Return whether a pair teaches anything: the source has a word, and the target is not just a copy of it.

    A copy may be right ("Status"), but it cannot be told from a string that nobody has translated yet.
    """
    is_word = re.search(r"[^\W\d_]{2}", source) is not None
    return is_word and len(source.split()) <= MOST_WORDS and target not in ("", source)


def _key(source: str) -> str:
    """Return the key of an English string, by which it is put in a split: its letters outside of placeholders."""
    without_placeholders = re.sub(r"%\(\w+\)\w|\{[^{}]*\}|%\w", "", source)
    return re.sub(r"[\W\d_]+", "", without_placeholders.casefold())
