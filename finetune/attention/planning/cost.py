"""The cost model of attention, by which a strategy is selected.

Costs are in nanoseconds. Their constants were fitted by scripts/fit_attention_costs.py on two CPU cores; the selection
depends on their ratios alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from finetune.attention.kernels.plan import CHUNK_WEIGHTS

Numbers = npt.NDArray[np.int64] | int


@dataclass(frozen=True)
class Costs:
    """The constants of the cost model: nanoseconds of the forward and the backward pass together.

    Args:
        batch: Cost of each batch of tiles, whatever its size.
        pair: Cost of softmax and mask, for each attention weight of each head.
        pair_dim: Cost of matrix products, for each attention weight and each of head_dim numbers.
        spilled: Additional cost of each attention weight, where the weights of a tile do not fit the cache.
        slot_dim: Cost of gathering and scattering, for each slot of a query or key in each head, and each of head_dim
            numbers.
    """

    batch: float
    pair: float
    pair_dim: float
    spilled: float
    slot_dim: float

    def of_batches(
        self, tiles: Numbers, queries: Numbers, keys: Numbers, num_heads: int, head_dim: int
    ) -> npt.NDArray[np.float64]:
        """Return the cost of batches of tiles in nanoseconds, float64 of the common shape of the arguments.

        Args:
            tiles: Number of tiles of each batch.
            queries: Number of queries of its tiles, padding included.
            keys: Number of keys of its tiles, padding included.
            num_heads: Number of heads in which the tiles are computed.
            head_dim: Size of one attention head.
        """
        pairs, slots = np.multiply(queries, keys), np.add(queries, keys)
        spilled = np.where(pairs > CHUNK_WEIGHTS, self.spilled, 0.0)
        tile = (self.pair + self.pair_dim * head_dim + spilled) * pairs + self.slot_dim * head_dim * slots
        cost: npt.NDArray[np.float64] = self.batch + np.multiply(tiles, num_heads) * tile
        return cost


COSTS = Costs(batch=66_000, pair=2.0, pair_dim=0.058, spilled=1.5, slot_dim=1.64)
"""The constants that scripts/fit_attention_costs.py fitted."""
