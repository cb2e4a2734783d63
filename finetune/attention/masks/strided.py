"""`strided(step)`: a query attends to every step-th key (Sparse Transformer, arXiv 1904.10509, section 4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask
from finetune.attention.masks.bounds import Bounds, Span, distance
from finetune.attention.masks.diagonals import on_diagonal
from finetune.attention.masks.dilated import holds_multiple, only_multiples
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Strided(Mask):
    """Mask that allows a pair where (q - k) % step == 0."""

    name = "strided"
    step: int

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return (q - k) % self.step == 0

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        ahead = distance(queries, keys)
        return Bounds(holds_multiple(ahead, self.step), only_multiples(ahead, self.step))

    def closed_count(self, query_length: int, key_length: int) -> int:
        offsets = range(-(query_length // self.step) * self.step, key_length, self.step)
        return sum(on_diagonal(offset, query_length, key_length) for offset in offsets)


@register_mask
def strided(step: int) -> Mask:
    """Let each query attend to its own position and to every `step`-th one in both directions.

    Args:
        step: Distance between neighbouring keys, at least 1.

    Raises:
        MaskArgumentError: The step is not an int, or is out of range.
    """
    return Strided(arguments.integer("strided: step", step, minimum=1))
