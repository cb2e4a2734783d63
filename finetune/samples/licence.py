"""Provide licences of software, each with what it asks of those who use it: nothing much, their source code, money, ...

The source is the licence texts of ScanCode in the wheel of licensedcode-data, under CC-BY-4.0; the licences themselves
are their owners'. The attribution that the archive asks for: Copyright (c) nexB Inc. and others. All rights reserved.
ScanCode is a trademark of nexB Inc. SPDX-License-Identifier: CC-BY-4.0. See
https://creativecommons.org/licenses/by/4.0/legalcode for the license text. See
https://github.com/nexB/scancode-toolkit for support or download. See https://aboutcode.org for more information about
nexB OSS projects.

The label is the category in which ScanCode's curators put the licence as a whole. Texts are long: 344 words in the
median, more than 1,400 in a quarter of them.

Some texts are left out: those in other languages than English; entries without a text; generic entries, which are
remarks ("licensed under a commercial contract") in a licence's place; deprecated entries, most of which are duplicates
or two licences in one text; and categories of fewer than 90 texts, which could not be scored. There are 66
Source-available licences, of which 27 are versions of Creative Commons and so would be in one split, and at most 34 of
other categories.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from finetune.samples.columns import check_columns, select_columns
from finetune.samples.fetch import fetch
from finetune.samples.package import Package
from finetune.samples.related import groups
from finetune.samples.split import SampleRow, SampleSplits, fold, split_by_hash

PACKAGE = Package(
    name="licensedcode-data",
    version="32.1.0",
    kind="wheel",
    sha256="18f60bde6dbabbc0a925d45ed80089cdbb7168156a2a1c118737198f9b743b96",
    licence="CC-BY-4.0",
    members=(
        "licensedcode_data-32.1.0.dist-info/NOTICE",
        "licensedcode_data-32.1.0.dist-info/cc-by-4.0.LICENSE",
        "licensedcode/data/licenses/*.LICENSE",
    ),
)
COLUMNS = ("text", "label", "key")
FEWEST_TEXTS = 90
"""The number of texts below which a category is left out."""


@dataclass(frozen=True)
class Licence:
    """Hold one licence.

    Args:
        key: The name of the licence in ScanCode, such as gpl-2.0-plus.
        category: The category in which ScanCode puts the licence, such as Permissive.
        text: The text of the licence, with single blanks between its words.
    """

    key: str
    category: str
    text: str


def load_licence(split: str, columns: Sequence[str]) -> list[SampleRow]:
    """Return one split of 1,972 licences, which are downloaded the first time.

    There are 1,246 licences in train, 205 in dev and 521 in test; 186 of the test split are Permissive, 183 Proprietary
    Free, 68 Copyleft Limited, 33 Commercial, 28 Copyleft and 23 Free Restricted.

    Args:
        split: One of train, dev and test.
        columns: Which of `COLUMNS` the rows have: text is the licence's text, label is one of the six categories, and
            key is the licence's name.

    Raises:
        UserError: The package cannot be fetched, or there is no such column.
    """
    check_columns("licence", columns, COLUMNS)
    folder = fetch(PACKAGE) / "licensedcode" / "data" / "licenses"
    return select_columns(_read(folder), split, columns)


def convert_licence(folder: Path, fewest_texts: int = FEWEST_TEXTS) -> SampleSplits:
    """Return the licences of a folder, split; of texts that differ only in case and punctuation the first is kept.

    All versions of a licence are in one split; they share what comes in their keys before a number (gpl-1.0,
    gpl-2.0-plus). So are texts that share more than half of their pieces of five words, and texts that are connected by
    a chain of such texts: the largest group has 171 texts, around BSD. Where a licence quotes another, or merely uses
    its phrases, they can be in different splits.

    Args:
        folder: A folder of *.LICENSE files, each of which holds YAML between lines of three dashes, and then the text.
        fewest_texts: The number of texts below which a category is left out.
    """
    unique: dict[str, Licence] = {}
    for path in sorted(folder.glob("*.LICENSE")):
        licence = read_licences(path.read_text(encoding="utf-8"))
        if licence is not None:
            unique.setdefault(fold(licence.text), licence)
    counts = Counter(licence.category for licence in unique.values())
    kept = {text: licence for text, licence in unique.items() if counts[licence.category] >= fewest_texts}
    keyed_rows = zip(_groups(kept), map(_row, kept.values()), strict=True)
    return split_by_hash(keyed_rows, dev_share=0.1, test_share=0.3)


_read = lru_cache(maxsize=1)(convert_licence)  # it is asked for each split in turn


def read_licences(file: str) -> Licence | None:
    """Return the licence in a file's content; None where it is to be left out, whatever its category."""
    _, front, text = re.split(r"^---\s*$", file, maxsplit=2, flags=re.MULTILINE)
    entry = yaml.safe_load(front)
    is_english = entry.get("language", "en") == "en"
    if not is_english or not text.strip() or entry.get("is_deprecated") or entry.get("is_generic"):
        return None
    return Licence(entry["key"], entry["category"], " ".join(text.split()))


def _row(licence: Licence) -> SampleRow:
    """Return the row of a licence, with all columns."""
    return {"text": licence.text, "label": licence.category, "key": licence.key}


def _groups(licences: dict[str, Licence]) -> list[str]:
    """Return the name of each licence's group, which is the key of the first licence in it.

    Args:
        licences: The licences by their folded texts.
    """
    keys = [licence.key for licence in licences.values()]
    first: dict[int, str] = {}
    numbers = groups(list(licences), [licence_family(key) for key in keys])
    return [first.setdefault(number, key) for number, key in zip(numbers, keys, strict=True)]


def licence_family(key: str) -> str:
    """Return the part of a licence's key that all versions of the licence have in common."""
    return re.split(r"-v?\d", key)[0]
