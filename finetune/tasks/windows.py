"""Overlapping windows of long sentences, in which each word is predicted once."""

from collections.abc import Sequence

WordIds = Sequence[int | None]
"""The index of the word at each position of a window; None at special tokens."""


def first_pieces(windows: Sequence[WordIds], stride: int) -> list[dict[int, int]]:
    """Assign every word of a sentence to one of its windows.

    A word may occur in two neighbouring windows, and a window may begin in the middle of a word. Each word is assigned
    to a window that holds its first piece; of several, to the one in which the smaller of the numbers of pieces before
    and after it is largest; of equal ones, to the first.

    Args:
        windows: The word at each position, for each window of the sentence in order.
        stride: The number of pieces that neighbouring windows share.

    Returns:
        For each window, the position of the first piece of each word that is assigned to it, by the word's index.
    """
    chosen: dict[int, tuple[int, int, int]] = {}  # word -> (first piece, context on the narrower side, window)
    positions: dict[tuple[int, int], int] = {}
    start = 0
    for number, word_ids in enumerate(windows):
        pieces = [(position, word) for position, word in enumerate(word_ids) if word is not None]
        for offset, (position, word) in enumerate(pieces):
            candidate = (start + offset, min(offset, len(pieces) - 1 - offset), number)
            best = chosen.get(word)
            if best is None or candidate[0] < best[0] or (candidate[0] == best[0] and candidate[1] > best[1]):
                chosen[word] = candidate
                positions[word, number] = position
        start += len(pieces) - stride
    given: list[dict[int, int]] = [{} for _ in windows]
    for word, (_, _, number) in chosen.items():
        given[number][word] = positions[word, number]
    return given
