"""What attention costs, in nanoseconds, as far as the selection of a strategy needs to know.

The constants were fitted by scripts/fit_attention_costs.py on two CPU cores; only their ratios matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from finetune.attention.kernels.plan import CHUNK_WEIGHTS

Numbers = npt.NDArray[np.int64] | int


@dataclass(frozen=True)
class Costs:
    """Nanoseconds, forward and backward.

    Args:
        batch: For each batch of tiles, whatever is in it.
        pair: For each attention weight of one head: softmax and mask.
        pair_dim: For each attention weight and each number of head_dim: matrix products.
        spilled: For each attention weight in addition, where those of a tile do not fit the cache.
        slot_dim: For each slot for a query or key of one head and each number of head_dim: gathering, scattering.
    """

    batch: float
    pair: float
    pair_dim: float
    spilled: float
    slot_dim: float

    def of_batches(
        self, tiles: Numbers, queries: Numbers, keys: Numbers, num_heads: int, head_dim: int
    ) -> npt.NDArray[np.float64]:
        """Nanoseconds of one batch of so many tiles of this size, in so many heads; of several batches as arrays."""
        pairs, slots = np.multiply(queries, keys), np.add(queries, keys)
        spilled = np.where(pairs > CHUNK_WEIGHTS, self.spilled, 0.0)
        tile = (self.pair + self.pair_dim * head_dim + spilled) * pairs + self.slot_dim * head_dim * slots
        cost: npt.NDArray[np.float64] = self.batch + np.multiply(tiles, num_heads) * tile
        return cost


COSTS = Costs(batch=66_000, pair=2.0, pair_dim=0.058, spilled=1.5, slot_dim=1.64)
"""Measured."""
