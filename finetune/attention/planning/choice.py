"""The choice of the cheapest exact way to compute attention under a mask."""

from __future__ import annotations

import torch

from finetune.attention.kernels.schedule import Schedule, Stack
from finetune.attention.layout import LayoutError, Ragged
from finetune.attention.masks import Mask
from finetune.attention.masks.errors import did_you_mean
from finetune.attention.planning.blocks import find_rectangles, stacks
from finetune.attention.planning.errors import PlanError
from finetune.attention.planning.heads import head_groups
from finetune.attention.planning.reach import far_reaching
from finetune.attention.planning.view import View
from finetune.attention.planning.ways import KERNELS, SIZES, WHOLE, way_for
from finetune.attention.planning.whole import whole_examples


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
    if len(queries.sizes) != len(keys.sizes):
        raise LayoutError(f"there are {len(queries.sizes)} examples of queries and {len(keys.sizes)} of keys")
    found = _stacks(mask, queries, keys, num_heads, width, biased, kernel)
    return Schedule(tuple(found), queries.total, keys.total, num_heads)


def _stacks(
    mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, width: int, biased: bool, kernel: str | None
) -> list[Stack]:
    longest = max((*queries.sizes, *keys.sizes), default=0)
    if kernel == "whole" or (kernel is None and longest <= SIZES[0]):
        return whole_examples(mask, queries, keys, num_heads, width=width, biased=biased)
    device, cpu = queries.cu_seqlens.device, torch.device("cpu")
    near = queries if device == cpu else queries.to(cpu)
    view_keys = near if keys is queries else keys if device == cpu else keys.to(cpu)
    groups = head_groups(mask, num_heads)
    views = [View(each.mask, near, view_keys, num_heads, each.heads.start) for each in groups]
    ways = [way_for(view, each.heads, width, kernel) for view, each in zip(views, groups, strict=True)]
    if all(way == WHOLE for way in ways):
        return whole_examples(mask, queries, keys, num_heads, width=width, biased=biased)
    found = []
    for view, each, way in zip(views, groups, ways, strict=True):
        if way == WHOLE:
            found += whole_examples(each.mask, queries, keys, num_heads, width=width, heads=each.heads, biased=biased)
        else:
            rectangles = find_rectangles(view, far_reaching(view), way.size, way.step)
            cut_stacks = stacks(view, rectangles, each.heads, width, longest if biased else None)
            found += cut_stacks if device == cpu else [stack.to(device) for stack in cut_stacks]
    return found
