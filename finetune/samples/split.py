"""Cut rows into train, dev and test by a hash, so that a text is in the same split on every machine.

Rows with the same key are always in the same split, so that duplicates cannot leak from train into test.
"""

import hashlib
import re
from collections.abc import Iterable

SampleRow = dict[str, object]
"""One example: the value of each column, by the column's name."""

SampleSplits = dict[str, list[SampleRow]]
"""The rows of each split, by the names train, dev and test."""


def fold(text: str) -> str:
    """Return a text without case, punctuation and spacing; two texts for which this is equal are duplicates."""
    return " ".join(re.findall(r"\w+", text.casefold())) or text


def split_by_hash(keyed_rows: Iterable[tuple[str, SampleRow]], *, dev_share: float, test_share: float) -> SampleSplits:
    """Return the rows of each split, whose sizes are about the given shares of all rows.

    The rows of a split are in the order of their keys' hashes, which has nothing to do with the order in the source, so
    that the first n rows of a split are a random sample of it.

    Args:
        keyed_rows: Pairs of a key, which alone decides the split, and a row.
        dev_share: The share of the rows that become the dev split.
        test_share: The share of the rows that become the test split; the others become the train split.
    """
    splits: SampleSplits = {"train": [], "dev": [], "test": []}
    for place, row in sorted(((_place(key), row) for key, row in keyed_rows), key=lambda pair: pair[0]):
        name = "dev" if place < dev_share else "test" if place < dev_share + test_share else "train"
        splits[name].append(row)
    return splits


def _place(key: str) -> float:
    """Return a number in [0, 1) that depends on the key alone and is uniformly distributed over keys."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
