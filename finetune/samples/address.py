"""Addresses in the United States, with what each word is: a house number, a street's name, a ZIP code, ...

Source: `training/labeled.xml` in the source distribution of usaddress (MIT): 1,513 addresses as people wrote them,
labelled by hand with the parts that the United States Thoroughfare, Landmark and Postal Address Data Standard names.
The source gives one plain label a word; words in a row with one label make up one part. They become IOB2 here (B- on
a part's first word, I- on the others), so that scores count whole parts: a street's name is found only if all of it
is. Two parts of one kind that touch cannot be told apart in the source and count as one.

The package's other files are left out: 16,490 synthetic and 95,156 uniform addresses that a few rules would label,
a file that is not well-formed XML, and some dozens of addresses under deviating labels.
"""

import re
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from finetune.samples.fetch import fetch
from finetune.samples.package import Package
from finetune.samples.split import SampleRow, SampleSplits, fold, split_by_hash

PACKAGE = Package(
    name="usaddress",
    version="0.5.16",
    kind="sdist",
    sha256="f7e614e2489c159cf85be1b6f86edbfaf329dbeedef4d002a025757afd1ec6c6",
    licence="MIT",
    members=("usaddress-0.5.16/LICENSE", "usaddress-0.5.16/training/labeled.xml"),
)
COLUMNS = ("tokens", "labels")


def load_address() -> SampleSplits:
    """1,470 addresses: tokens (list of words, punctuation attached) and labels (list of as many IOB2 labels).

    1,011 in train, 153 in dev and 306 in test, which has 1,822 parts of 26 kinds; 29 kinds occur in all.

    Raises:
        UserError: The package cannot be fetched.
    """
    return convert_address(fetch(PACKAGE) / "usaddress-0.5.16" / "training" / "labeled.xml")


def convert_address(path: Path) -> SampleSplits:
    """Split the addresses of a usaddress training file; of addresses that are alike the first is kept.

    Addresses that differ only in numbers are put in one split: neighbours in a street would give each other away.
    """
    rows: dict[str, SampleRow] = {}
    for address in ElementTree.parse(path).getroot():
        tokens = [(part.text or "").strip() for part in address]
        rows.setdefault(fold(" ".join(tokens)), {"tokens": tokens, "labels": iob2([part.tag for part in address])})
    keyed_rows = ((re.sub(r"\d+", "0", text), row) for text, row in rows.items())
    return split_by_hash(keyed_rows, dev_share=0.1, test_share=0.2)


def iob2(labels: list[str]) -> list[str]:
    """Plain labels as IOB2: a label begins where the one before is another."""
    return [("I-" if label == previous else "B-") + label for previous, label in pairwise(["", *labels])]
