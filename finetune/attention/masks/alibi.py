"""`alibi()`: the farther a key, the lower its score (ALiBi, Press et al. 2022, arXiv 2108.12409)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.attention.masks import arguments
from finetune.attention.masks.base import Mask
from finetune.attention.masks.errors import MaskArgumentError
from finetune.attention.masks.registry import register_mask
from finetune.attention.masks.scored import ScoreTerm, scored

if TYPE_CHECKING:
    from torch import Tensor

    from finetune.attention.masks.scope import Scope


@dataclass(frozen=True, repr=False)
class Alibi(ScoreTerm):
    """Term that adds -scale * slope * |q - k|, where each head has a slope of its own.

    The paper is about causal attention, where |q - k| is q - k; in an encoder the term is the same in both directions.

    Args:
        scale: Factor of the slopes of all heads.
    """

    name = "alibi"
    in_cross = False
    scale: float = 1.0

    def pair_scores(self, scope: Scope, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return -(q - k).abs()

    def head_factors(self, num_heads: int) -> tuple[float, ...]:
        return tuple(self.scale * slope for slope in slopes(num_heads))

    def __str__(self) -> str:
        return "alibi()" if self.scale == 1 else super().__str__()


def slopes(num_heads: int) -> tuple[float, ...]:
    """Return the slope of each head: 2 ** (-8 / n), its square, its cube and so on for n heads.

    For a number of heads that is no power of two, they are those of the next smaller power of two, followed by every
    second one of the next larger power of two, as in the paper's own code.

    Args:
        num_heads: Number of attention heads.
    """
    power = 1 << (num_heads.bit_length() - 1)
    own = tuple(2.0 ** (-8 * number / power) for number in range(1, power + 1))
    between = tuple(2.0 ** (-4 * number / power) for number in range(1, 2 * power + 1, 2))
    return own + between[: num_heads - power]


@register_mask
def alibi(scale: float = 1.0) -> Mask:
    """Lower the score of a pair by its distance, with a slope for each head: ALiBi.

    Args:
        scale: Factor of the paper's slopes, above 0.

    Raises:
        MaskArgumentError: The scale is no number, or is out of range.
    """
    number = arguments.number("alibi: scale", scale)
    if number <= 0:
        raise MaskArgumentError(f"alibi: scale must be above 0, got {scale}", scale)
    return scored(Alibi(number))
