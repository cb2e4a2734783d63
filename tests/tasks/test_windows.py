"""Windows of a long sentence: each word is given to one of them, at its first piece."""

from hypothesis import given
from hypothesis import strategies as st

from finetune.tasks.windows import first_pieces


def cut(pieces: list[int], capacity: int, stride: int) -> list[list[int | None]]:
    """Windows as tokenizers cut them: `capacity` pieces, the next beginning `stride` before the end of the last."""
    windows: list[list[int | None]] = []
    start = 0
    while True:
        windows.append([None, *pieces[start : start + capacity], None])
        if start + capacity >= len(pieces):
            return windows
        start += capacity - stride


@given(st.data())
def test_each_word_is_given_once_at_its_first_piece(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 5), max_size=12))
    capacity = data.draw(st.integers(1, 9))
    stride = data.draw(st.integers(0, capacity - 1))
    pieces = [word for word, size in enumerate(sizes) for _ in range(size)]
    windows = cut(pieces, capacity, stride)
    given_words = first_pieces(windows, stride)
    assert sorted(word for window in given_words for word in window) == list(range(len(sizes)))
    first = {word: pieces.index(word) for word in pieces}
    for number, window in enumerate(given_words):
        for word, position in window.items():
            assert number * (capacity - stride) + position - 1 == first[word]


def test_a_word_goes_where_it_sees_most_on_its_narrower_side() -> None:
    windows = cut(list(range(10)), capacity=6, stride=4)
    assert [sorted(window) for window in first_pieces(windows, 4)] == [[0, 1, 2, 3], [4, 5], [6, 7, 8, 9]]
