"""The choice of the cheapest exact way to compute attention under a mask."""

from __future__ import annotations

from collections.abc import Callable

import torch

from finetune.attention.kernels.schedule import Schedule, Stack
from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask
from finetune.attention.masks.errors import did_you_mean
from finetune.attention.planning.blocks import find_rectangles, stacks
from finetune.attention.planning.errors import PlanError
from finetune.attention.planning.heads import head_groups
from finetune.attention.planning.reach import far_reaching
from finetune.attention.planning.view import View
from finetune.attention.planning.whole import whole_examples

Planner = Callable[[Mask, Ragged, Ragged, int, bool], list[Stack]]


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
    stacks = KERNELS[kernel or "whole"](mask, queries, keys, num_heads, biased)
    return Schedule(tuple(stacks), queries.total, keys.total, num_heads)


def _whole(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, biased: bool) -> list[Stack]:
    return whole_examples(mask, queries, keys, num_heads, biased=biased)


def _blocks(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, biased: bool) -> list[Stack]:
    device = queries.cu_seqlens.device
    cpu = torch.device("cpu")
    queries, keys = queries.to(cpu), queries.to(cpu) if keys is queries else keys.to(cpu)
    longest = max((*queries.sizes, *keys.sizes), default=0)
    found = []
    for each in head_groups(mask, num_heads):
        view = View(each.mask, queries, keys, num_heads, each.heads.start)
        rectangles = find_rectangles(view, far_reaching(view), 64, 1)
        found += stacks(view, rectangles, each.heads, longest if biased else None)
    return [stack.to(device) for stack in found]


KERNELS: dict[str, Planner] = {"whole": _whole, "blocks": _blocks}
"""The ways to compute attention, by name."""
