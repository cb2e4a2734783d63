"""Counting along diagonals: how many pairs of a rectangle have a given k - q."""


def on_diagonal(offset: int, query_length: int, key_length: int) -> int:
    """Pairs with k - q == offset."""
    return max(0, min(query_length, key_length - offset) - max(0, -offset))


def up_to_diagonal(offset: int, query_length: int, key_length: int) -> int:
    """Pairs with k - q <= offset: the sum over q of q + offset + 1, kept between 0 and key_length."""
    return _clipped_sum(query_length + offset, key_length) - _clipped_sum(offset, key_length)


def _clipped_sum(last: int, limit: int) -> int:
    """The sum over i = 1 .. last of min(i, limit)."""
    rising = max(0, min(last, limit))
    return rising * (rising + 1) // 2 + max(0, last - limit) * limit
