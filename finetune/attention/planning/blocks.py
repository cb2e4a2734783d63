"""Rectangles of blocks: some queries of an example with the keys that they can reach, and no others.

One way for windows, dilated windows, blocks, segments, global tokens and whatever else has bounds; work and memory are
linear in the length where the keys that a query can reach do not grow with it (Longformer, arXiv 2004.05150, and
BigBird, arXiv 2007.14062, gather blocks of keys likewise, for one pattern each).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from finetune.attention.kernels.schedule import Distances, Stack
from finetune.attention.planning.grouping import Group, group
from finetune.attention.planning.reach import QueryBlocks, Reach, apart, cut, near, reach
from finetune.attention.planning.view import Booleans, Integers, View

AT_ONCE = 2**22
"""Pairs that the mask may be evaluated for together; the answers for keys that are not used are not kept."""


@dataclass(frozen=True, eq=False)
class Rectangles:
    """Blocks of queries, and what they reach.

    Args:
        blocks: The queries.
        reach: The keys, those first that every query of the block may attend to.
        allowed: bool [entries that are not certain, size], whether the key is allowed to each of the block's queries.
    """

    blocks: QueryBlocks
    reach: Reach
    allowed: Booleans

    @cached_property
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
    at_once = max(1, AT_ONCE // max(1, size * int(view.key_sizes.max(initial=0))))
    starts = range(0, max(len(blocks.examples), 1), at_once)
    found = [_reached(view, blocks.slice(start, start + at_once), far, step) for start in starts]
    return Rectangles(
        blocks,
        Reach(
            np.concatenate([each.blocks + start for start, (each, _) in zip(starts, found, strict=True)]),
            np.concatenate([each.keys for each, _ in found]),
            np.concatenate([each.certain for each, _ in found]),
        ),
        np.concatenate([allowed for _, allowed in found]),
    )


def _reached(view: View, blocks: QueryBlocks, far: Booleans, step: int) -> tuple[Reach, Booleans]:
    """The keys that each block uses, certain ones first, and who may attend to the others."""
    found = reach(view, blocks, far, step)
    unsure = np.flatnonzero(~found.certain)
    examples, positions = blocks.examples[found.blocks[unsure]], blocks.positions[found.blocks[unsure]]
    allowed = view.allowed(examples[:, None], positions.clip(0), found.keys[unsure][:, None]) & (positions >= 0)
    used = allowed.any(1)
    kept = np.sort(np.concatenate([np.flatnonzero(found.certain), unsure[used]]))
    order = kept[np.lexsort((~found.certain[kept], found.blocks[kept]))]
    return Reach(found.blocks[order], found.keys[order], found.certain[order]), allowed[used]


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
    entry = np.flatnonzero(number[found.blocks] >= 0)
    row = number[found.blocks[entry]]
    starts = np.cumsum(rectangles.counts) - rectangles.counts
    slot = entry - starts[found.blocks[entry]]
    keys = np.full((len(part.members), part.keys), -1)
    keys[row, slot] = found.keys[entry]
    free = int(np.bincount(row, weights=found.certain[entry], minlength=len(part.members)).min())
    allowed = np.zeros((len(part.members), part.keys - free, part.queries), dtype=bool)
    masked = (slot >= free) & found.certain[entry]
    allowed[row[masked], slot[masked] - free] = (queries >= 0)[row[masked]]
    unsure = ~found.certain[entry]
    line = (np.cumsum(~found.certain) - 1)[entry[unsure]]
    allowed[row[unsure], slot[unsure] - free] = rectangles.allowed[line, : part.queries]
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
