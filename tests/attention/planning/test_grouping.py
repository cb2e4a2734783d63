"""Tiles of similar sizes are padded to one size, at the least cost."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.attention.planning.cost import COSTS
from finetune.attention.planning.grouping import SizeGroup, group_by_size, rounded_keys

HEADS, HEAD_DIM = 12, 64
sizes = st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=7)


def cost(groups: list[SizeGroup]) -> float:
    return sum(float(COSTS.of_batches(len(one.members), one.queries, one.keys, HEADS, HEAD_DIM)) for one in groups)


@settings(deadline=None)
@given(sizes)
def test_every_tile_that_holds_pairs_is_in_one_group_and_fits_it(counts: list[tuple[int, int]]) -> None:
    queries, keys = (np.array([count[side] for count in counts], dtype=np.int64) for side in (0, 1))
    groups = group_by_size(queries, keys, HEADS, HEAD_DIM)
    members = [int(tile) for group in groups for tile in group.members]
    assert sorted(members) == [tile for tile, count in enumerate(counts) if min(count) > 0]
    for group in groups:
        assert queries[group.members].max() == group.queries
        assert keys[group.members].max() <= group.keys
        assert group.keys == rounded_keys(keys[group.members]).max()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(1, 90), min_size=1, max_size=7))
def test_no_other_cuts_in_the_order_of_sizes_cost_less(lengths: list[int]) -> None:
    keys = np.sort(np.array(lengths, dtype=np.int64))
    best = cost(group_by_size(keys, keys, HEADS, HEAD_DIM))
    for cuts in itertools.product([False, True], repeat=len(keys) - 1):
        bounds = [0, *(number + 1 for number, cut in enumerate(cuts) if cut), len(keys)]
        others = [
            SizeGroup(np.arange(start, stop), int(keys[stop - 1]), int(rounded_keys(keys[stop - 1 : stop])[0]))
            for start, stop in itertools.pairwise(bounds)
        ]
        assert best <= cost(others) * (1 + 1e-12)


def test_keys_are_rounded_in_steps_that_grow() -> None:
    assert rounded_keys(np.array([1, 16, 17, 24, 25, 255, 257, 1025])).tolist() == [16, 16, 24, 24, 32, 256, 272, 1088]
