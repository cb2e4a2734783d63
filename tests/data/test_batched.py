"""Iterators in pieces: all items, in order, and no more of them in memory than a piece."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from finetune.data.batched import ROWS, batched


@given(st.lists(st.integers()), st.integers(1, 12))
def test_pieces_hold_all_items_in_order_and_all_but_the_last_are_full(items: list[int], size: int) -> None:
    pieces = list(batched(items, size))
    assert [item for piece in pieces for item in piece] == items
    assert {len(piece) for piece in pieces[:-1]} <= {size}
    assert len(pieces) == max(1, -(-len(items) // size)), "no empty piece follows a full one"
    assert 0 < len(pieces[-1]) <= size or not items


def test_nothing_is_one_empty_piece() -> None:
    assert list(batched(iter(()), 3)) == [[]]


def test_items_are_read_when_their_piece_is_asked_for() -> None:
    read: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            read.append(number)
            yield number

    pieces = batched(items(), 4)
    assert read == []
    assert next(pieces) == read == [0, 1, 2, 3]
    assert next(pieces) == [4, 5, 6, 7]
    assert read == list(range(8))


def test_the_usual_size() -> None:
    assert [len(piece) for piece in batched(range(ROWS + 1))] == [ROWS, 1]
