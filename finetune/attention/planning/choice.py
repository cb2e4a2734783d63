"""The choice of the cheapest exact way to compute attention under a mask."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from finetune.attention.kernels.schedule import Schedule, Stack
from finetune.attention.layout import LayoutError, Ragged
from finetune.attention.masks import Mask
from finetune.attention.masks.errors import did_you_mean
from finetune.attention.planning.blocks import find_rectangles, stacks
from finetune.attention.planning.errors import PlanError
from finetune.attention.planning.heads import HeadGroup, head_groups
from finetune.attention.planning.reach import far_reaching
from finetune.attention.planning.view import View
from finetune.attention.planning.ways import KERNELS, SIZES, WHOLE, Way, way_for
from finetune.attention.planning.whole import whole_examples


@dataclass(frozen=True, eq=False)
class Choice:
    """How some heads are computed.

    Args:
        group: The heads, and their mask.
        view: The mask, ready to be asked.
        way: How.
    """

    group: HeadGroup
    view: View
    way: Way


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
        PlanError: There is no such kernel, or not on this device.
    """
    _check(queries, keys, kernel)
    choices = choose(mask, queries, keys, num_heads, width=width, kernel=None if kernel == "flex" else kernel)
    if all(choice.way == WHOLE for choice in choices):
        found = whole_examples(mask, queries, keys, num_heads, width=width, biased=biased)
    else:
        found = [stack for each in choices for stack in _stacks(each, queries, keys, width, biased)]
    flex = None
    if kernel == "flex":
        from finetune.attention.planning.flex import flex_blocks

        views, heads = [choice.view for choice in choices], [choice.group.heads for choice in choices]
        flex = flex_blocks(mask, views, heads, queries, keys)
    return Schedule(tuple(found), queries.total, keys.total, num_heads, flex)


def _check(queries: Ragged, keys: Ragged, kernel: str | None) -> None:
    if kernel is not None and kernel not in KERNELS:
        known = ", ".join(KERNELS)
        raise PlanError(f"there is no kernel {kernel!r}; there are {known}{did_you_mean(kernel, KERNELS)}")
    if kernel == "flex" and queries.cu_seqlens.device.type != "cuda":
        raise PlanError(f"the kernel 'flex' runs on CUDA alone, not on {queries.cu_seqlens.device.type}")
    if len(queries.sizes) != len(keys.sizes):
        raise LayoutError(f"there are {len(queries.sizes)} examples of queries and {len(keys.sizes)} of keys")


def choose(
    mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, *, width: int = 64, kernel: str | None = None
) -> list[Choice]:
    """How each head is computed; the arguments are those of `plan`, and so are the errors.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    cpu = torch.device("cpu")
    near = queries if queries.cu_seqlens.device == cpu else queries.to(cpu)
    near_keys = near if keys is queries else keys if keys.cu_seqlens.device == cpu else keys.to(cpu)
    longest = max((*queries.sizes, *keys.sizes), default=0)
    choices = []
    for group in head_groups(mask, num_heads):
        view = View(group.mask, near, near_keys, num_heads, group.heads.start)
        short = kernel is None and longest <= SIZES[0]
        choices.append(Choice(group, view, WHOLE if short else way_for(view, group.heads, width, kernel)))
    return choices


def _stacks(choice: Choice, queries: Ragged, keys: Ragged, width: int, biased: bool) -> list[Stack]:
    group, view, way = choice.group, choice.view, choice.way
    if way == WHOLE:
        return whole_examples(group.mask, queries, keys, view.num_heads, width=width, heads=group.heads, biased=biased)
    longest = max((*queries.sizes, *keys.sizes), default=0)
    rectangles = find_rectangles(view, far_reaching(view), way.size, way.step)
    found = stacks(view, rectangles, group.heads, width, longest if biased else None)
    device = queries.cu_seqlens.device
    return found if device.type == "cpu" else [stack.to(device) for stack in found]
