"""The choice of the cheapest exact way to compute attention under a mask."""

from __future__ import annotations

from collections.abc import Callable

from finetune.attention.kernels.schedule import Schedule
from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask
from finetune.attention.masks.errors import did_you_mean
from finetune.attention.planning.errors import PlanError
from finetune.attention.planning.whole import whole_examples

Planner = Callable[[Mask, Ragged, Ragged, int, bool], Schedule]


def plan(
    mask: Mask,
    queries: Ragged,
    keys: Ragged,
    num_heads: int,
    *,
    width: int = 64,
    biased: bool = False,
    kernel: str | None = None,
) -> Schedule:
    """The rectangles in which attention under a mask costs least.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Attention heads.
        width: Of a head.
        biased: Whether a relative bias is added, from a table [heads, distances] whose middle is distance 0 and
            which reaches as far as the longest example of either side.
        kernel: One of `KERNELS`, in place of the choice by cost.

    Raises:
        MaskError: The mask cannot be evaluated: a column is missing, or the number of heads does not fit.
        LayoutError: The sides have different numbers of examples.
        PlanError: There is no such kernel.
    """
    if kernel is not None and kernel not in KERNELS:
        known = ", ".join(KERNELS)
        raise PlanError(f"there is no kernel {kernel!r}; there are {known}{did_you_mean(kernel, KERNELS)}")
    return KERNELS[kernel or "whole"](mask, queries, keys, num_heads, biased)


def _whole(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, biased: bool) -> Schedule:
    return whole_examples(mask, queries, keys, num_heads, biased=biased)


KERNELS: dict[str, Planner] = {"whole": _whole}
"""The ways to compute attention, by name."""
