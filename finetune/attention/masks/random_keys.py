"""`random_keys(n, seed)`: a few keys drawn for each query (BigBird, arXiv 2007.14062, section 2).

The draw is a function of (seed, q, length) alone, so it is the same whatever the batch, the layout and the device,
and it can be evaluated for a single pair: the keys, turned by a random offset into a ring, are cut into n runs of
as equal size as can be, and one key is drawn from each run by a hash of (seed, q, length, run). So the n keys are
distinct without being compared, every key is drawn with the same probability n / length, and the draw spreads over
the example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.errors import MaskArgumentError
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope

SEED_LIMIT = 2**31


@dataclass(frozen=True, repr=False)
class RandomKeys(Mask):
    """Allowed when k is one of `number` distinct keys drawn for q; all keys where there are no more."""

    name = "random_keys"
    number: int
    seed: int

    @property
    def needs(self) -> Needs:
        """The draw is another one in a longer example."""
        return Needs(length=True)

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        length = scope.key_length
        if self.number == 0:
            return k != k
        state = _mix(_mix(_mix(q * 0 + self.seed) ^ q) ^ length)
        turned = (k + _mix(state)) % length.clamp(min=1)
        run = ((turned + 1) * self.number - 1) // length.clamp(min=1)
        first = run * length // self.number
        size = ((run + 1) * length // self.number - first).clamp(min=1)
        # _mix(0) is 0, so run + 1 keeps the first run's draw apart from the offset, which is _mix(state).
        drawn = first + _mix(state ^ _mix(run + 1)) % size
        return (turned == drawn) | (length <= self.number)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        anywhere = unknown(queries, keys)
        return Bounds(anywhere.possible & (self.number > 0), anywhere.possible & (scope.key_length <= self.number))

    def closed_count(self, query_length: int, key_length: int) -> int:
        return query_length * min(self.number, key_length)


@register_mask
def random_keys(number: int, seed: int) -> Mask:
    """A query sees `number` keys drawn for it from the seed, its position and the length."""
    arguments.integer("random_keys: number", number, minimum=0)
    arguments.integer("random_keys: seed", seed, minimum=0)
    if seed >= SEED_LIMIT:
        raise MaskArgumentError(f"random_keys: seed must be below 2**31, got {seed}", seed)
    return RandomKeys(number, seed)


def _mix(bits: Tensor) -> Tensor:
    """An integer hash, 32 bits to 32 bits; the factors are below 2**31, so that no product overflows int64."""
    bits = bits & 0xFFFFFFFF
    bits = (bits ^ (bits >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    bits = (bits ^ (bits >> 15)) * 0x31848BAB & 0xFFFFFFFF
    return bits ^ (bits >> 16)
