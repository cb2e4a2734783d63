"""Provide addresses in the United States, with what each word is: a house number, a street's name, a ZIP code, ...

The source is `training/labeled.xml` in the source distribution of usaddress (MIT): 1,513 addresses as people wrote
them, labelled by hand with the parts that the United States Thoroughfare, Landmark and Postal Address Data Standard
names. The source gives each word one plain label, and neighbouring words with one label make up one part. The labels
become IOB2 here (B- on a part's first word, I- on the others), so that scores count whole parts: a street's name counts
as found only if all of its words are. Two parts of one kind that touch cannot be told apart in the source and count as
one.

The package's other files are left out: 16,490 synthetic and 95,156 uniform addresses, which a few rules would label, a
file that is not well-formed XML, and some dozens of addresses whose labels differ from those of the standard.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

from finetune.samples.columns import check_columns, select_columns
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


def load_address(split: str, columns: Sequence[str]) -> list[SampleRow]:
    """Return one split of 1,470 addresses, which are downloaded the first time.

    There are 1,011 addresses in train, 153 in dev and 306 in test. The test split has 1,822 parts of 26 kinds; 29 kinds
    occur in all splits together.

    Args:
        split: One of train, dev and test.
        columns: Which of `COLUMNS` the rows have: tokens is a list of words with their punctuation, and labels is a
            list of as many IOB2 labels.

    Raises:
        UserError: The package cannot be fetched, or there is no such column.
    """
    check_columns("address", columns, COLUMNS)
    path = fetch(PACKAGE) / "usaddress-0.5.16" / "training" / "labeled.xml"
    return select_columns(_read(path), split, columns)


def convert_address(path: Path) -> SampleSplits:
    """Return the addresses of a usaddress training file, split; of addresses that are alike the first is kept.

    Addresses that differ only in numbers are put in one split, because neighbours in a street would give away each
    other's labels.
    """
    rows: dict[str, SampleRow] = {}
    for address in ElementTree.parse(path).getroot():
        tokens = [(part.text or "").strip() for part in address]
        rows.setdefault(fold(" ".join(tokens)), {"tokens": tokens, "labels": iob2([part.tag for part in address])})
    keyed_rows = ((re.sub(r"\d+", "0", text), row) for text, row in rows.items())
    return split_by_hash(keyed_rows, dev_share=0.1, test_share=0.2)


_read = lru_cache(maxsize=1)(convert_address)  # it is asked for each split in turn


def iob2(labels: list[str]) -> list[str]:
    """Return plain labels as IOB2 labels: a part begins where the label differs from the one before."""
    return [("I-" if label == previous else "B-") + label for previous, label in pairwise(["", *labels])]
