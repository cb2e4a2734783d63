"""What attention costs, in nanoseconds, as far as the choice between ways to compute it needs to know.

The constants were fitted to measurements on two CPU cores; only their ratios matter.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

STACK_COST = 150_000.0
"""Of one more stack, forward and backward, whatever is in it."""
PAIR_COST = 6.0
"""Of one attention weight of one head."""
SLOT_COST = 12.0
"""Of one slot, for a query or a key, of one head."""

Numbers = npt.NDArray[np.int64] | int


def stack_costs(rectangles: Numbers, queries: Numbers, keys: Numbers, num_heads: int) -> npt.NDArray[np.float64]:
    """Cost of stacks of so many rectangles of this size."""
    pairs = np.multiply(queries, keys)
    one = PAIR_COST * pairs + SLOT_COST * np.add(queries, keys)
    cost: npt.NDArray[np.float64] = STACK_COST + np.multiply(rectangles, num_heads) * one
    return cost
