"""Number of pairs on the diagonals of a rectangle of queries and keys."""


def on_diagonal(offset: int, query_length: int, key_length: int) -> int:
    """Return the number of pairs with k - q == offset."""
    return max(0, min(query_length, key_length - offset) - max(0, -offset))


def up_to_diagonal(offset: int, query_length: int, key_length: int) -> int:
    """Return the number of pairs with k - q <= offset."""
    # Query q has q + offset + 1 such keys, but at least 0 and at most key_length. Over all queries this is the sum of
    # min(i, key_length) for i from offset + 1 to offset + query_length.
    return _clipped_sum(query_length + offset, key_length) - _clipped_sum(offset, key_length)


def _clipped_sum(last: int, limit: int) -> int:
    """Return the sum of min(i, limit) over i = 1 .. last."""
    rising = max(0, min(last, limit))
    return rising * (rising + 1) // 2 + max(0, last - limit) * limit
