"""`random_keys(n, seed)`: a few keys drawn for each query (BigBird, arXiv 2007.14062, section 2).

The keys depend on (seed, q, length) alone, and with `by_head=true` on the number of the head too. So they are the same
whatever the batch, the layout and the device, and the mask can be evaluated for a single pair. The positions of the
keys are rotated by a random offset and cut into n runs, whose sizes differ by 1 at most; one key of each run is drawn
by a hash of (seed, q, length, run). So the n keys are distinct without being compared, every key is drawn with the same
probability n / length, and the keys of a query are spread over the example.
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
"""Seeds are below this, so that they fit the 32 bits of the hash."""
TRUTH = {"true": True, "True": True, "false": False, "False": False}
"""How `by_head` is written in text."""


@dataclass(frozen=True, repr=False)
class RandomKeys(Mask):
    """Mask that allows k where it is one of the distinct keys drawn for q; all keys where there are no more of them.

    Args:
        number: Number of keys that are drawn for each query.
        seed: Seed of the hash.
        by_head: Whether each head draws keys of its own.
    """

    name = "random_keys"
    number: int
    seed: int
    by_head: bool = False

    @property
    def needs(self) -> Needs:
        """The length: in a longer example other keys are drawn; and the number of the head where it has a part."""
        return Needs(length=True, by_head=self.by_head)

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        length = scope.key_length
        if self.number == 0:
            return k != k
        state = self._state(q, length, head)
        rotated = (k + _hash(state)) % length.clamp(min=1)
        # Run i begins at i * length // number, so this is the run that holds the position `rotated`.
        run = ((rotated + 1) * self.number - 1) // length.clamp(min=1)
        return (rotated == self._drawn(state, run, length)) | (length <= self.number)

    def drawn_keys(self, head: Tensor, q: Tensor, length: Tensor) -> Tensor:
        """Return the keys that are drawn for queries, where there are more keys than are drawn.

        Args:
            head: int64, number of the head, from 0.
            q: int64 [queries], positions of queries.
            length: int64 [queries], number of keys of the query's example, above `number`.

        Returns:
            int64 [queries, number], the keys of each query in no order.
        """
        import torch

        q, length = q[:, None], length[:, None]
        state = self._state(q, length, head)
        drawn = self._drawn(state, torch.arange(self.number), length)
        return (drawn - _hash(state)) % length

    def _state(self, q: Tensor, length: Tensor, head: Tensor) -> Tensor:
        """Return the hash of all that the draw of a query depends on."""
        state = _hash(_hash(_hash(q * 0 + self.seed) ^ q) ^ length)
        # _hash(0) is 0, so that head 0 would be left out, were it not for the + 1.
        return _hash(state ^ _hash(head + 1)) if self.by_head else state

    def _drawn(self, state: Tensor, run: Tensor, length: Tensor) -> Tensor:
        """Return the position, rotated by the offset, of the key that is drawn in a run."""
        first = run * length // self.number
        size = ((run + 1) * length // self.number - first).clamp(min=1)
        # _hash(0) is 0, so that run 0 would draw with the hash of the offset, _hash(state), were it not for the + 1.
        return first + _hash(state ^ _hash(run + 1)) % size

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        anywhere = unknown(queries, keys)
        return Bounds(anywhere.possible & (self.number > 0), anywhere.possible & (scope.key_length <= self.number))

    def closed_count(self, query_length: int, key_length: int) -> int:
        return query_length * min(self.number, key_length)

    def __str__(self) -> str:
        options = ", by_head=true" if self.by_head else ""
        return f"{self.name}({self.number}, {self.seed}{options})"


@register_mask
def random_keys(number: int, seed: int, by_head: bool | str = False) -> Mask:
    """Let each query attend to a few keys that are drawn at random from the seed, its position and the length.

    Args:
        number: Number of keys that are drawn for each query, at least 0.
        seed: Seed of the draw, at least 0 and below 2**31.
        by_head: Whether each head draws keys of its own, as in BigBird; in text `true` or `false`.

    Raises:
        MaskArgumentError: A number is not an int or is out of range, or `by_head` is neither true nor false.
    """
    arguments.integer("random_keys: number", number)
    arguments.integer("random_keys: seed", seed, limit=SEED_LIMIT)
    chosen = TRUTH.get(by_head) if isinstance(by_head, str) else by_head
    if not isinstance(chosen, bool):
        raise MaskArgumentError(
            f"random_keys: by_head must be true or false, got {arguments.describe(by_head)}", by_head
        )
    return RandomKeys(number, seed, chosen)


def _hash(bits: Tensor) -> Tensor:
    """Return an integer hash of 32 bits; the factors are below 2**31, so that no product overflows int64."""
    bits = bits & 0xFFFFFFFF
    bits = (bits ^ (bits >> 16)) * 0x7FEB352D & 0xFFFFFFFF
    bits = (bits ^ (bits >> 15)) * 0x31848BAB & 0xFFFFFFFF
    return bits ^ (bits >> 16)
