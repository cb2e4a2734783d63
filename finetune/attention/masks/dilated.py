"""`dilated(r, step)`: a window with gaps (Longformer, arXiv 2004.05150, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask
from finetune.attention.masks.bounds import Bounds, Span, distance
from finetune.attention.masks.diagonals import on_diagonal
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Dilated(Mask):
    """Mask that allows a pair where abs(q - k) <= radius and (q - k) % step == 0."""

    name = "dilated"
    radius: int
    step: int

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return ((q - k).abs() <= self.radius) & ((q - k) % self.step == 0)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        ahead = distance(queries, keys)
        # Of the run of distances, those from -radius to radius; -(-a // b) is a / b rounded up.
        skipped = (-self.radius - ahead.first).clamp(min=0)
        first = ahead.first + -(-skipped // max(ahead.step, 1)) * max(ahead.step, 1)
        reached = Span(first, ahead.last.clamp(max=self.radius), ahead.step)
        within = (ahead.first >= -self.radius) & (ahead.last <= self.radius)
        return Bounds(holds_multiple(reached, self.step), within & only_multiples(ahead, self.step))

    def closed_count(self, query_length: int, key_length: int) -> int:
        furthest = min(self.radius, max(query_length, key_length)) // self.step
        offsets = (number * self.step for number in range(-furthest, furthest + 1))
        return sum(on_diagonal(offset, query_length, key_length) for offset in offsets)


@register_mask
def dilated(radius: int, step: int) -> Mask:
    """Let each query attend to its own position and to every `step`-th one on both sides of it.

    Args:
        radius: Distance of the furthest key, at least 0.
        step: Distance between neighbouring keys, at least 1.

    Raises:
        MaskArgumentError: An argument is not an int, or is out of range.
    """
    arguments.integer("dilated: radius", radius, minimum=0)
    return Dilated(radius, arguments.integer("dilated: step", step, minimum=1))


def holds_multiple(numbers: Span, step: int) -> Tensor:
    """Return where a run of numbers may hold a multiple of `step`: nowhere where `last` is below `first`."""
    if numbers.step % step == 0:
        return (numbers.first % step == 0) & (numbers.first <= numbers.last)
    return numbers.last // step * step >= numbers.first


def only_multiples(numbers: Span, step: int) -> Tensor:
    """Return where every number of a run is a multiple of `step`."""
    return (numbers.single | (numbers.step % step == 0)) & (numbers.first % step == 0)
