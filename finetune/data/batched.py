"""Long iterators, some items at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

ItemT = TypeVar("ItemT")

ROWS = 10_000
"""Rows that are in memory at a time where data are streamed."""


def batched(items: Iterable[ItemT], size: int = ROWS) -> Iterator[list[ItemT]]:
    """Yield the items in lists of `size`, of which the last may be shorter; at least one list, which may be empty."""
    iterator = iter(items)
    piece = list(islice(iterator, size))
    yield piece
    while len(piece) == size and (piece := list(islice(iterator, size))):
        yield piece
