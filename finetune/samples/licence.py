"""Licences of software, each with what it asks of those who use it: nothing much, their source code, money, ...

Source: the licence texts of ScanCode in the wheel of licensedcode-data, under CC-BY-4.0; the licences themselves are
their owners'. The attribution that the archive asks for: Copyright (c) nexB Inc. and others. All rights reserved.
ScanCode is a trademark of nexB Inc. SPDX-License-Identifier: CC-BY-4.0. See
https://creativecommons.org/licenses/by/4.0/legalcode for the license text. See
https://github.com/nexB/scancode-toolkit for support or download. See https://aboutcode.org for more information about
nexB OSS projects.

The label is the category in which ScanCode's curators put the licence as a whole. Texts are long: 344 words in the
median, more than 1,400 in a quarter of them.

Left out: texts in other languages than English; entries without a text; generic ones, which are remarks ("licensed
under a commercial contract") in a licence's place; deprecated ones, mostly duplicates, or two licences in one text;
and categories of fewer than 90 texts, which could not be scored: of Source-available licences there are 66, of which
27 are versions of Creative Commons and so in one split, and of others at most 34.
"""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

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
"""Categories of fewer are left out."""


@dataclass(frozen=True)
class Licence:
    """One licence.

    Args:
        key: Its name in ScanCode: gpl-2.0-plus.
        category: What it asks.
        text: Its words, and single blanks between them.
    """

    key: str
    category: str
    text: str


def load_licence() -> SampleSplits:
    """1,972 licences with the columns of `COLUMNS`: label is one of six categories, key the licence's name.

    1,246 in train, 205 in dev and 521 in test, of which 186 are Permissive, 183 Proprietary Free, 68 Copyleft Limited,
    33 Commercial, 28 Copyleft and 23 Free Restricted.

    Raises:
        UserError: The package cannot be fetched.
    """
    return convert_licence(fetch(PACKAGE) / "licensedcode" / "data" / "licenses")


def convert_licence(folder: Path, fewest_texts: int = FEWEST_TEXTS) -> SampleSplits:
    """Split ScanCode's licence files; of texts that are alike but for case and punctuation the first is kept.

    In one split are all versions of a licence (what comes in its key before a number: gpl-1.0, gpl-2.0-plus), and
    texts that share more than half of their pieces of five words, by any chain: the largest group is 171 texts long,
    around BSD. Where a licence quotes another, or merely uses its phrases, they can be in different splits.

    Args:
        folder: Holds *.LICENSE files: YAML between lines of three dashes, then the text.
        fewest_texts: Categories of fewer texts are left out.
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


def read_licences(file: str) -> Licence | None:
    """The licence in a file's content; None where it is to be left out whatever its category."""
    _, front, text = re.split(r"^---\s*$", file, maxsplit=2, flags=re.MULTILINE)
    entry = yaml.safe_load(front)
    is_english = entry.get("language", "en") == "en"
    if not is_english or not text.strip() or entry.get("is_deprecated") or entry.get("is_generic"):
        return None
    return Licence(entry["key"], entry["category"], " ".join(text.split()))


def _row(licence: Licence) -> SampleRow:
    return {"text": licence.text, "label": licence.category, "key": licence.key}


def _groups(licences: dict[str, Licence]) -> list[str]:
    """What each licence's group is called, by its first licence; `licences` leads to them from their folded texts."""
    keys = [licence.key for licence in licences.values()]
    first: dict[int, str] = {}
    numbers = groups(list(licences), [licence_family(key) for key in keys])
    return [first.setdefault(number, key) for number, key in zip(numbers, keys, strict=True)]


def licence_family(key: str) -> str:
    """What the versions of a licence have in common in their keys."""
    return re.split(r"-v?\d", key)[0]
