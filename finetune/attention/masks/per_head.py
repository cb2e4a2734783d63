"""`per_head(a, b, ...)`: each head, or group of heads, has a mask of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.bounds import Bounds, Span
from finetune.attention.masks.errors import MaskArgumentError, MaskError
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class PerHead(Mask):
    """Head h of H obeys mask number h * count // H; a per_head inside another counts the same heads."""

    name = "per_head"
    masks: tuple[Mask, ...]

    @property
    def needs(self) -> Needs:
        """Those of all masks, and a number of heads that they share evenly."""
        together = Needs.together([Needs(heads=len(self.masks)), *(mask.needs for mask in self.masks)])
        return replace(together, by_head=True)

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        self._check(scope.num_heads)
        number = head * len(self.masks) // scope.num_heads
        chosen = ((number == i) & mask.allowed(scope, head, q, k) for i, mask in enumerate(self.masks))
        return reduce(lambda a, b: a | b, chosen)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        self._check(scope.num_heads)
        number = head * len(self.masks) // scope.num_heads
        every = ((number == i, mask.bounds(scope, head, queries, keys)) for i, mask in enumerate(self.masks))
        chosen = (Bounds(here & mask.possible, here & mask.certain) for here, mask in every)
        return reduce(lambda a, b: a | b, chosen)

    def at_head(self, head: int, num_heads: int) -> Mask:
        self._check(num_heads)
        return self.masks[head * len(self.masks) // num_heads].at_head(head, num_heads)

    def arguments(self) -> tuple[object, ...]:
        """The masks, one by one."""
        return self.masks

    def _check(self, num_heads: int) -> None:
        if num_heads % len(self.masks):
            raise MaskError(
                f"{self} has {len(self.masks)} masks, so the number of heads must be a multiple of "
                f"{len(self.masks)}, got {num_heads}"
            )


@register_mask
def per_head(*masks: Mask) -> Mask:
    """The first mask for the first heads, the last for the last: head h of H obeys number h * count // H."""
    if not masks:
        raise MaskArgumentError("per_head needs at least one mask", None)
    for mask in masks:
        arguments.mask("per_head: an argument", mask)
    return masks[0] if len(set(masks)) == 1 else PerHead(masks)
