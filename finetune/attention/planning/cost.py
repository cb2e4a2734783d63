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


def rectangle_cost(queries: npt.NDArray[np.int64], keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Cost of one head of a rectangle."""
    return PAIR_COST * queries * keys + SLOT_COST * (queries + keys)
