"""Strings of user interfaces in parallel: labels, messages, hints, in English and many other languages.

Sources: the translations inside the wheels of Django and Wagtail (BSD-3-Clause; web sites), Spyder (MIT; an editor),
Horizon (Apache-2.0; administration of clouds) and Home Assistant (Apache-2.0; appliances). Two thirds of the strings
are Home Assistant's. Placeholders (%(count)s, {name}), HTML tags and Markdown are kept as they are. The projects
differ in style: in German, Home Assistant says "du" to the user and the others say "Sie".
"""

import re
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from finetune.errors import UserError
from finetune.samples.catalogues import check_parser, languages_of, normal, translations
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
"""Longer English strings are pages of instructions rather than strings of an interface."""


def load_interface(languages: Sequence[str]) -> SampleSplits:
    """Rows with one column a language, from wheels that are fetched the first time (72 MB).

    en and de have 17,511 pairs in train, 1,018 in dev and 1,094 in test, of 5.2 English words on average and at most
    40. Other languages have from a few hundred pairs with English to about as many as German.

    Args:
        languages: Two codes or more, spelt pt_BR or pt-br; the columns are named by them.

    Raises:
        UserError: A package cannot be fetched, a language is in none of them, or the languages share too few strings.
        MissingExtra: polib is not installed.
    """
    check_parser()
    wheels = [next(fetch(package).glob("*.whl")) for package in PACKAGES]
    return convert_interface(wheels, languages)


def convert_interface(wheels: Iterable[Path], languages: Sequence[str]) -> SampleSplits:
    """Split the strings that all of `languages` have in the wheels' catalogues.

    An English string comes once. Strings that differ only in case, blanks, punctuation, placeholders or numbers share
    a split, and which one depends on the English string alone: a string is in the test split for every pair of
    languages or for none.
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


def _keyed_rows(languages: Sequence[str], translated: dict[str, dict[str, str]]) -> Iterator[tuple[str, SampleRow]]:
    """The rows that are complete; `translated` leads from a language, English excepted, to its translations."""
    for source in next(iter(translated.values())):
        if all(source in targets for targets in translated.values()):
            texts = {language: targets[source] for language, targets in translated.items()}
            yield _key(source), {language: texts.get(language, source) for language in languages}


def _check_languages(languages: Sequence[str], wheels: Iterable[zipfile.ZipFile]) -> None:
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
    """The translation of each English string; of several, the most frequent, and of those the first."""
    found: dict[str, Counter[str]] = {}
    for wheel in wheels:
        for pair in translations(wheel, language):
            source, target = map(_clean, pair)
            if _is_translation(source, target):
                found.setdefault(source, Counter())[target] += 1
    return {source: targets.most_common(1)[0][0] for source, targets in found.items()}


def _clean(text: str) -> str:
    """Without blanks at the ends, and with every line break or run of blanks as one blank."""
    return " ".join(text.split())


def _is_translation(source: str, target: str) -> bool:
    """Whether a pair teaches anything: a word in the source, and a target that is not just a copy.

    A copy may be right ("Status"), but cannot be told from a string that nobody has translated yet.
    """
    is_word = re.search(r"[^\W\d_]{2}", source) is not None
    return is_word and len(source.split()) <= MOST_WORDS and target not in ("", source)


def _key(source: str) -> str:
    """What strings that are put in one split have in common: the letters, outside of placeholders."""
    without_placeholders = re.sub(r"%\(\w+\)\w|\{[^{}]*\}|%\w", "", source)
    return re.sub(r"[\W\d_]+", "", without_placeholders.casefold())
