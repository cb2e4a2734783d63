"""Reading long sentences in overlapping windows, with each word scored once."""

from collections.abc import Sequence

WordIds = Sequence[int | None]
"""For each position of a window the word it is a piece of; None at special tokens."""


def first_pieces(windows: Sequence[WordIds], stride: int) -> list[dict[int, int]]:
    """Give every word to one window of its sentence.

    A word may occur in two neighbouring windows, and a window may begin in the middle of a word. Each word goes to
    the window that holds its first piece with the most context on the narrower side; the earlier one on a tie.

    Args:
        windows: The windows of one sentence in order; neighbours share `stride` pieces.
        stride: Pieces that neighbours share.

    Returns:
        For each window, the position of the first piece of each word it was given.
    """
    chosen: dict[int, tuple[int, int, int]] = {}  # word -> (piece in the sentence, margin, window)
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
