"""Cuts rows into train, dev and test by a hash, so that a text is in the same split on every machine.

Two rows with one key are always in the same split: duplicates cannot leak from train into test.
"""

import hashlib
import re
from collections.abc import Iterable

SampleRow = dict[str, object]
"""One example, by column."""

SampleSplits = dict[str, list[SampleRow]]
"""The rows of train, dev and test."""


def fold(text: str) -> str:
    """Return a text without case, punctuation and spacing; texts that are then equal are duplicates."""
    return " ".join(re.findall(r"\w+", text.casefold())) or text


def split_by_hash(keyed_rows: Iterable[tuple[str, SampleRow]], *, dev_share: float, test_share: float) -> SampleSplits:
    """Cut (key, row) pairs into splits of about the given shares.

    Each split is in the order of the keys' hashes, which has nothing to do with the order in the source: the first
    n rows of a split are a random sample of it.
    """
    splits: SampleSplits = {"train": [], "dev": [], "test": []}
    for place, row in sorted(((_place(key), row) for key, row in keyed_rows), key=lambda pair: pair[0]):
        name = "dev" if place < dev_share else "test" if place < dev_share + test_share else "train"
        splits[name].append(row)
    return splits


def _place(key: str) -> float:
    """Return a number in [0, 1), uniform over keys."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64
