"""Rectangles of blocks: some queries of an example with the keys that they can reach, and no others.

One way for windows, dilated windows, blocks, segments, global tokens and whatever else has bounds; work and memory are
linear in the length where the keys that a query can reach do not grow with it (Longformer, arXiv 2004.05150, and
BigBird, arXiv 2007.14062, gather blocks of keys likewise, for one pattern each).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from finetune.attention.kernels.schedule import Distances, Stack
from finetune.attention.planning.grouping import Group, group
from finetune.attention.planning.reach import QueryBlocks, Reach, apart, cut, near, reach
from finetune.attention.planning.view import Booleans, Integers, View


@dataclass(frozen=True, eq=False)
class Rectangles:
    """Blocks of queries, and what they reach.

    Args:
        blocks: The queries.
        reach: The keys, those first that every query of the block may attend to.
        allowed: bool [entries, size], for each block and key, whether it is allowed to each of the block's queries.
    """

    blocks: QueryBlocks
    reach: Reach
    allowed: Booleans

    @property
    def counts(self) -> Integers:
        """Keys of each block."""
        counts: Integers = np.bincount(self.reach.blocks, minlength=len(self.blocks.examples))
        return counts


def find_rectangles(view: View, far: Booleans, size: int, step: int, sample: int | None = None) -> Rectangles:
    """Cut the pairs that a mask allows into rectangles.

    Args:
        view: The mask.
        far: The queries that reach far, see `far_reaching`.
        size: Queries of a block.
        step: From each query of a block to the next.
        sample: Take only about this many blocks, and no queries that reach far.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    blocks = cut(view.query_sizes, size, step)
    blocks = apart(view, blocks, far) if sample is None else near(view, blocks.some(sample), far)
    found = reach(view, blocks, far)
    real = blocks.positions[found.blocks] >= 0
    allowed = real.copy()
    open_ = np.nonzero(~found.certain)[0]
    examples, positions = blocks.examples[found.blocks[open_]], blocks.positions[found.blocks[open_]]
    allowed[open_] &= view.allowed(examples[:, None], positions.clip(0), found.keys[open_][:, None])
    used = allowed.any(1)
    order = np.lexsort((~found.certain[used], found.blocks[used]))
    kept = np.nonzero(used)[0][order]
    return Rectangles(blocks, Reach(found.blocks[kept], found.keys[kept], found.certain[kept]), allowed[kept])


def stacks(view: View, rectangles: Rectangles, heads: range, width: int, longest: int | None) -> list[Stack]:
    """Rectangles of like sizes in one stack.

    Args:
        view: The mask.
        rectangles: What to stack.
        heads: Whose they are.
        width: Of a head.
        longest: Tokens of the longest example where a relative bias is added; None where there is none.
    """
    return [
        _stack(view, rectangles, part, heads, longest)
        for part in group(rectangles.blocks.counts, rectangles.counts, len(heads), width)
    ]


def _stack(view: View, rectangles: Rectangles, part: Group, heads: range, longest: int | None) -> Stack:
    blocks, found = rectangles.blocks, rectangles.reach
    examples, queries = blocks.examples[part.members], blocks.positions[part.members, : part.queries]
    number = np.full(len(blocks.examples), -1)
    number[part.members] = np.arange(len(part.members))
    entry = np.nonzero(number[found.blocks] >= 0)[0]
    row = number[found.blocks[entry]]
    starts = np.cumsum(rectangles.counts) - rectangles.counts
    slot = entry - starts[found.blocks[entry]]
    keys = np.full((len(part.members), part.keys), -1)
    keys[row, slot] = found.keys[entry]
    free = int(np.bincount(row, weights=found.certain[entry], minlength=len(part.members)).min())
    allowed = np.zeros((len(part.members), part.keys - free, part.queries), dtype=bool)
    masked = slot >= free
    allowed[row[masked], slot[masked] - free] = rectangles.allowed[entry[masked], : part.queries]
    return Stack(
        torch.from_numpy(np.where(queries >= 0, view.query_starts[examples][:, None] + queries, -1)),
        torch.from_numpy(np.where(keys >= 0, view.key_starts[examples][:, None] + keys, -1)),
        _mask(allowed),
        heads,
        None if longest is None else Distances(torch.from_numpy(queries), torch.from_numpy(keys), longest - 1),
    )


def _mask(allowed: Booleans) -> Tensor | None:
    """[rectangles, 1, queries, keys] of [rectangles, keys, queries]; None where everything is allowed."""
    if allowed.all():
        return None
    return torch.from_numpy(allowed).transpose(1, 2).contiguous()[:, None]
