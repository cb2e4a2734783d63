"""Long iterators, some items at a time."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

ItemT = TypeVar("ItemT")

ROWS = 10_000
"""Rows that are in memory at a time where data are streamed."""


def batched(items: Iterable[ItemT], size: int = ROWS) -> Iterator[list[ItemT]]:
    """The items in lists of `size`, the last one shorter; there is one list at least, which may be empty."""
    iterator = iter(items)
    piece = list(islice(iterator, size))
    yield piece
    while len(piece) == size and (piece := list(islice(iterator, size))):
        yield piece
