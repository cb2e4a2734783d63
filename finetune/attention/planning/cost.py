"""What attention costs, in nanoseconds, as far as the choice between ways to compute it needs to know.

The constants were fitted by scripts/fit_attention_costs.py on two CPU cores; only their ratios matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from finetune.attention.kernels.schedule import PART_WEIGHTS

Numbers = npt.NDArray[np.int64] | int


@dataclass(frozen=True)
class Costs:
    """Nanoseconds, forward and backward.

    Args:
        stack: Of one more stack, whatever is in it.
        pair: Of one attention weight of one head: softmax and mask.
        pair_width: Of one attention weight, for each number of a head's width: matrix products.
        spilled: Of one attention weight more, where those of a rectangle do not fit the cache.
        slot_width: Of one slot, for a query or a key of one head, for each number of its width: gathering, scattering.
    """

    stack: float
    pair: float
    pair_width: float
    spilled: float
    slot_width: float

    def of_stacks(
        self, rectangles: Numbers, queries: Numbers, keys: Numbers, num_heads: int, width: int
    ) -> npt.NDArray[np.float64]:
        """Cost of stacks of so many rectangles of this size, in so many heads."""
        pairs, slots = np.multiply(queries, keys), np.add(queries, keys)
        spilled = np.where(pairs > PART_WEIGHTS, self.spilled, 0.0)
        one = (self.pair + self.pair_width * width + spilled) * pairs + self.slot_width * width * slots
        cost: npt.NDArray[np.float64] = self.stack + np.multiply(rectangles, num_heads) * one
        return cost


COSTS = Costs(stack=66_000, pair=2.0, pair_width=0.058, spilled=1.5, slot_width=1.64)
"""Measured."""
