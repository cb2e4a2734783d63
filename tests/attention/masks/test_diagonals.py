from itertools import product

from hypothesis import given
from hypothesis import strategies as st

from finetune.attention.masks.diagonals import on_diagonal, up_to_diagonal

lengths = st.integers(0, 8)


@given(lengths, lengths, st.integers(-10, 10))
def test_counts_are_those_of_all_pairs(query_length: int, key_length: int, offset: int) -> None:
    pairs = list(product(range(query_length), range(key_length)))
    assert on_diagonal(offset, query_length, key_length) == sum(k - q == offset for q, k in pairs)
    assert up_to_diagonal(offset, query_length, key_length) == sum(k - q <= offset for q, k in pairs)
