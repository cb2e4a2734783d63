"""The ways to compute attention under a mask, what each would cost, and which costs least."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from finetune.attention.masks import Mask
from finetune.attention.masks.blocks import Blocks
from finetune.attention.masks.dilated import Dilated
from finetune.attention.masks.operators import Junction, Not
from finetune.attention.masks.strided import Strided
from finetune.attention.planning.blocks import find_rectangles
from finetune.attention.planning.cost import COSTS
from finetune.attention.planning.grouping import group
from finetune.attention.planning.reach import cut, far_reaching
from finetune.attention.planning.view import Booleans, View

KERNELS = ("whole", "blocks", "flex")
"""The ways to compute attention, by name; `flex` is never chosen unasked."""
SIZES = (32, 64, 128, 256)
"""Queries of a block, of which one is chosen."""
SAMPLE = 16
"""Blocks whose cost stands for that of all."""
WORTHWHILE = 0.9
"""Share of the cost of whole examples that blocks must stay below: finding them costs too."""
REMEMBERED = 4096
"""Choices that are kept for batches like those that they were made for."""


@dataclass(frozen=True)
class Way:
    """How the attention of some heads is computed.

    Args:
        kernel: One of `KERNELS`.
        size: Queries of a block.
        step: From each query of a block to the next.
    """

    kernel: str
    size: int = 0
    step: int = 1

    def __str__(self) -> str:
        if self.kernel == "whole":
            return "whole examples"
        return f"blocks of {self.size} queries" + (f" {self.step} apart" if self.step > 1 else "")


WHOLE = Way("whole")

_chosen: dict[tuple[object, ...], Way] = {}


def way_for(view: View, heads: range, width: int, kernel: str | None) -> Way:
    """The cheapest way to compute these heads, looked for once for batches of like lengths.

    Args:
        view: The mask that the heads share.
        heads: The heads.
        width: Of a head.
        kernel: One of `KERNELS` that is to be taken whatever it costs.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    view.check()
    if kernel == WHOLE.kernel:
        return WHOLE
    sizes = (*view.queries.sizes, *view.keys.sizes)
    like = view.mask, heads, view.num_heads, width, kernel, _magnitude(max(sizes, default=0)), _magnitude(sum(sizes))
    if like not in _chosen:
        if len(_chosen) == REMEMBERED:
            _chosen.clear()
        _chosen[like] = _cheapest(view, len(heads), width, kernel)
    return _chosen[like]


def _magnitude(number: int) -> int:
    """Alike for numbers within about a fifth of each other."""
    return round(4 * float(np.log2(max(number, 1))))


def _cheapest(view: View, num_heads: int, width: int, kernel: str | None) -> Way:
    far = far_reaching(view)
    costs = {way: cost_of_blocks(view, far, way, num_heads, width) for way in _candidates(view)}
    best = min(costs, key=lambda way: costs[way])
    if kernel is None and costs[best] > WORTHWHILE * cost_of_whole(view, num_heads, width):
        return WHOLE
    return best


def _candidates(view: View) -> list[Way]:
    """Blocks of several sizes, and those that go with the steps and blocks in the mask."""
    longest = max((*view.queries.sizes, 1))
    parts = list(_parts(view.mask))
    steps = {1} | {part.step for part in parts if isinstance(part, Dilated | Strided) and part.step < longest}
    sizes = {*SIZES, *(part.size for part in parts if isinstance(part, Blocks) and part.size >= SIZES[0])}
    small = [size for size in sorted(sizes) if size < longest] or [SIZES[0]]
    return [
        Way("blocks", size, step) for step in sorted(steps) for size in small if step == 1 or size * step <= longest
    ]


def _parts(mask: Mask) -> Iterator[Mask]:
    """A mask and the masks that it is made of."""
    yield mask
    members = mask.members if isinstance(mask, Junction) else (mask.mask,) if isinstance(mask, Not) else ()
    for member in members:
        yield from _parts(member)


def cost_of_whole(view: View, num_heads: int, width: int) -> float:
    """Nanoseconds for the examples' whole squares."""
    groups = group(view.query_sizes, view.key_sizes, num_heads, width)
    return sum(float(COSTS.of_stacks(len(each.members), each.queries, each.keys, num_heads, width)) for each in groups)


def cost_of_blocks(view: View, far: Booleans, way: Way, num_heads: int, width: int) -> float:
    """Nanoseconds for rectangles of blocks, foretold from some of them."""
    blocks = cut(view.query_sizes, way.size, way.step)
    sample = find_rectangles(view, far, way.size, way.step, SAMPLE)
    near = sample.counts.mean() if len(sample.counts) else 0.0
    cost = COSTS.of_stacks(len(blocks.examples), way.size, int(near), num_heads, width)
    rows = int(far.sum())
    return float(cost + (COSTS.of_stacks(rows, 1, max(view.key_sizes, default=0), num_heads, width) if rows else 0))
