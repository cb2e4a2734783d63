"""`per_head(a, b, ...)`: each head, or each group of neighbouring heads, has a mask of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask, Needs, check_depth
from finetune.attention.masks.bounds import Bounds, Span
from finetune.attention.masks.errors import HeadCountError, MaskArgumentError
from finetune.attention.masks.registry import register_mask

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class PerHead(Mask):
    """Mask under which head h of H heads obeys mask number h * count // H.

    A per_head inside another one counts the heads of the model too, not those of the outer mask's group.

    Args:
        masks: The masks, that of the first heads first.
    """

    name = "per_head"
    masks: tuple[Mask, ...]

    @property
    def needs(self) -> Needs:
        """The needs of all masks, and a number of heads that is a multiple of theirs."""
        together = Needs.together([Needs(heads=len(self.masks)), *(mask.needs for mask in self.masks)])
        return replace(together, by_head=True)

    @cached_property
    def depth(self) -> int:
        """Number of levels of the expression."""
        return 1 + max(mask.depth for mask in self.masks)

    def allowed(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        self._check(scope.num_heads)
        number = head * len(self.masks) // scope.num_heads  # the mask that each head obeys
        chosen = ((number == i) & mask.allowed(scope, head, q, k) for i, mask in enumerate(self.masks))
        return reduce(lambda a, b: a | b, chosen)

    def bounds(self, scope: Scope, head: Tensor, queries: Span, keys: Span) -> Bounds:
        self._check(scope.num_heads)
        number = head * len(self.masks) // scope.num_heads  # the mask that each head obeys
        every = ((number == i, mask.bounds(scope, head, queries, keys)) for i, mask in enumerate(self.masks))
        chosen = (Bounds(here & bounds.possible, here & bounds.certain) for here, bounds in every)
        return reduce(lambda a, b: a | b, chosen)

    def at_head(self, head: int, num_heads: int) -> Mask:
        self._check(num_heads)
        return self.masks[head * len(self.masks) // num_heads].at_head(head, num_heads)

    def arguments(self) -> tuple[object, ...]:
        """Return the masks as arguments of their own."""
        return self.masks

    def _check(self, num_heads: int) -> None:
        if num_heads % len(self.masks):
            raise HeadCountError(
                f"{self} has {len(self.masks)} masks, so the number of heads must be a multiple of "
                f"{len(self.masks)}, got {num_heads}",
                multiple_of=len(self.masks),
            )


@register_mask
def per_head(*masks: Mask) -> Mask:
    """Give each head, or each group of neighbouring heads, a mask of its own.

    The first mask is that of the first heads: head h of H heads obeys mask number h * count // H.

    Args:
        *masks: The masks; the number of heads must be a multiple of their number.

    Raises:
        MaskArgumentError: There is no mask, or an argument is not a mask, or has score terms.
        MaskError: The expression is nested too deeply.
    """
    if not masks:
        raise MaskArgumentError("per_head needs at least one mask", None)
    for mask in masks:
        arguments.mask("per_head: an argument", mask)
        if mask.terms:
            raise MaskArgumentError(
                f"per_head takes masks, but {mask.terms[0]} adds to the scores; write it behind the whole, as in "
                f"per_head(window(2), full()) + {mask.terms[0]}, where it is added in all heads",
                mask,
            )
    return masks[0] if len(set(masks)) == 1 else check_depth(PerHead(masks))
