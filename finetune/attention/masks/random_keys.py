"""`random_keys(n, seed)`: a few keys drawn for each query (BigBird, arXiv 2007.14062, section 2).

The keys depend on (seed, q, length) alone, so they are the same whatever the batch, the layout and the device, and
the mask can be evaluated for a single pair. The positions of the keys are rotated by a random offset and cut into n
runs, whose sizes differ by 1 at most; one key of each run is drawn by a hash of (seed, q, length, run). So the n keys
are distinct without being compared, every key is drawn with the same probability n / length, and the keys of a query
are spread over the example.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.bounds import Bounds, Span, unknown
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope

SEED_LIMIT = 2**31
"""Seeds are below this, so that they fit the 32 bits of the hash."""


@dataclass(frozen=True, repr=False)
class RandomKeys(Mask):
    """Mask that allows k where it is one of the distinct keys drawn for q; all keys where there are no more of them.

    Args:
        number: Number of keys that are drawn for each query.
        seed: Seed of the hash.
    """

    name = "random_keys"
    number: int
    seed: int

    @property
    def needs(self) -> Needs:
        """The length: in a longer example other keys are drawn."""
        return Needs(length=True)

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        length = scope.key_length
        if self.number == 0:
            return k != k
        state = _hash(_hash(_hash(q * 0 + self.seed) ^ q) ^ length)
        rotated = (k + _hash(state)) % length.clamp(min=1)
        # Run i begins at i * length // number, so this is the run that holds the position `rotated`.
        run = ((rotated + 1) * self.number - 1) // length.clamp(min=1)
        first = run * length // self.number
        size = ((run + 1) * length // self.number - first).clamp(min=1)
        # _hash(0) is 0, so that run 0 would draw with the hash of the offset, _hash(state), were it not for the + 1.
        drawn = first + _hash(state ^ _hash(run + 1)) % size
        return (rotated == drawn) | (length <= self.number)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        anywhere = unknown(queries, keys)
        return Bounds(anywhere.possible & (self.number > 0), anywhere.possible & (scope.key_length <= self.number))

    def closed_count(self, query_length: int, key_length: int) -> int:
        return query_length * min(self.number, key_length)


@register_mask
def random_keys(number: int, seed: int) -> Mask:
    """Let each query attend to a few keys that are drawn at random from the seed, its position and the length.

    Args:
        number: Number of keys that are drawn for each query, at least 0.
        seed: Seed of the draw, at least 0 and below 2**31.

    Raises:
        MaskArgumentError: An argument is not an int, or is out of range.
    """
    arguments.integer("random_keys: number", number)
    return RandomKeys(number, arguments.integer("random_keys: seed", seed, limit=SEED_LIMIT))


def _hash(bits: Tensor) -> Tensor:
    """Return an integer hash of 32 bits; the factors are below 2**31, so that no product overflows int64."""
    bits = bits & 0xFFFFFFFF
    bits = (bits ^ (bits >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    bits = (bits ^ (bits >> 15)) * 0x31848BAB & 0xFFFFFFFF
    return bits ^ (bits >> 16)
