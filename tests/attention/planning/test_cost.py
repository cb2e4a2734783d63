"""Properties of the cost model on which selections depend."""

import numpy as np

from finetune.attention.kernels.plan import CHUNK_WEIGHTS
from finetune.attention.planning.cost import COSTS


def test_work_is_linear_in_tiles_and_heads_beside_the_cost_of_a_batch() -> None:
    one, two, more_heads = (
        float(COSTS.of_batches(tiles, 32, 64, heads, 64)) - COSTS.batch for tiles, heads in ((1, 4), (2, 4), (1, 8))
    )
    assert two == more_heads
    assert np.isclose(two, 2 * one)


def test_arrays_of_batches_cost_what_each_costs() -> None:
    tiles, queries, keys = np.array([1, 5]), np.array([32, 16]), np.array([64, 24])
    together = COSTS.of_batches(tiles, queries, keys, 12, 64)
    alone = [COSTS.of_batches(int(t), int(q), int(k), 12, 64) for t, q, k in zip(tiles, queries, keys, strict=True)]
    assert together.tolist() == [float(one) for one in alone]


def test_weights_that_do_not_fit_the_cache_cost_more() -> None:
    side = int(CHUNK_WEIGHTS**0.5)
    fits, spills = (float(COSTS.of_batches(1, size, size, 1, 64)) for size in (side, 2 * side))
    assert spills - COSTS.batch > 4.1 * (fits - COSTS.batch)
