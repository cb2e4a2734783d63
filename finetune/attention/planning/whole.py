"""Rectangles of whole examples: every query of an example with all its keys, examples of like lengths in one stack."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from finetune.attention.kernels.schedule import Distances, Schedule, Stack
from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import Mask, causal, full
from finetune.attention.planning.cost import STACK_COST, rectangle_cost

Sizes = npt.NDArray[np.int64]

LARGEST_STACK = 2**22
"""Weights of one stack, 16 MiB: more rectangles than that are stacked in several."""


@dataclass(frozen=True, eq=False)
class Group:
    """Examples that are stacked.

    Args:
        examples: int64 [examples].
        queries: Slots for each one's queries.
        keys: Slots for each one's keys.
    """

    examples: Sizes
    queries: int
    keys: int

    @property
    def weights(self) -> int:
        """Attention weights of one head."""
        return len(self.examples) * self.queries * self.keys

    def split(self, num_heads: int) -> Iterator[Group]:
        """In parts that are not too large."""
        most = max(1, LARGEST_STACK // max(1, self.queries * self.keys * num_heads))
        for start in range(0, len(self.examples), most):
            yield Group(self.examples[start : start + most], self.queries, self.keys)


def whole_examples(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, *, biased: bool = False) -> Schedule:
    """The schedule that computes each example's whole square.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Attention heads.
        biased: Whether a relative bias is added, from a table whose middle is distance 0.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    longest = max((*queries.sizes, *keys.sizes), default=0)
    stacks = [
        _stack(part, mask, queries, keys, num_heads, longest if biased else None)
        for group in group_examples(queries.sizes, keys.sizes, num_heads)
        for part in group.split(num_heads)
    ]
    return Schedule(tuple(stacks), queries.total, keys.total, num_heads)


def group_examples(query_sizes: Sequence[int], key_sizes: Sequence[int], num_heads: int) -> list[Group]:
    """The cheapest way to stack examples of like lengths; those without queries or keys are left out.

    Ordered by lengths, neighbours go together: the best cuts are found by dynamic programming over the different
    lengths.
    """
    sizes = np.stack([np.asarray(query_sizes, dtype=np.int64), np.asarray(key_sizes, dtype=np.int64)], axis=1)
    real = np.flatnonzero(sizes.all(axis=1))
    if not len(real):
        return []
    lengths, member, counts = np.unique(sizes[real][:, ::-1], axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(member, kind="stable")  # examples by keys, then queries
    ends = np.cumsum(counts)
    groups = []
    for first, stop in _cuts(lengths[:, 1], lengths[:, 0], counts, num_heads):
        examples = real[order[ends[first] - counts[first] : ends[stop - 1]]]
        groups.append(Group(examples, int(lengths[first:stop, 1].max()), int(lengths[first:stop, 0].max())))
    return groups


def _cuts(queries: Sizes, keys: Sizes, counts: Sizes, num_heads: int) -> list[tuple[int, int]]:
    """The runs of lengths (keys ascending) that are stacked, as first and stop."""
    best = np.zeros(len(queries) + 1)
    previous = np.zeros(len(queries) + 1, dtype=np.int64)
    for stop in range(1, len(queries) + 1):
        tallest = np.maximum.accumulate(queries[:stop][::-1])[::-1]
        together = np.cumsum(counts[:stop][::-1])[::-1]
        costs = best[:stop] + STACK_COST + together * num_heads * rectangle_cost(tallest, keys[stop - 1])
        previous[stop] = costs.argmin()
        best[stop] = costs[previous[stop]]
    cuts, stop = [], len(queries)
    while stop:
        cuts.append((int(previous[stop]), stop))
        stop = int(previous[stop])
    return cuts[::-1]


def _stack(group: Group, mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, longest: int | None) -> Stack:
    device = queries.cu_seqlens.device
    query_tokens, queries_fill = slots(queries, group.examples, group.queries)
    key_tokens, keys_fill = (query_tokens, queries_fill) if keys is queries else slots(keys, group.examples, group.keys)
    allowed: Tensor | None = None
    if mask == full():
        allowed = None if queries_fill and keys_fill else (key_tokens >= 0)[:, None, None, :]
    elif mask == causal() and keys is queries:
        # Padding comes after every real query, which does not see it.
        allowed = torch.ones(1, 1, group.queries, group.keys, dtype=torch.bool, device=device).tril()
    else:
        allowed = ragged_mask(
            mask, queries, keys, num_heads=num_heads, query_tokens=query_tokens, key_tokens=key_tokens
        )
    distances = None
    if longest is not None:
        index = torch.arange(group.keys, device=device) - torch.arange(group.queries, device=device)[:, None]
        distances = Distances((index + longest - 1)[None])
    return Stack(query_tokens, key_tokens, allowed, None, distances)


def slots(layout: Ragged, examples: Sizes, width: int) -> tuple[Tensor, bool]:
    """Tokens of examples as rows of slots: int64 [examples, width], -1 at padding; and whether there is none."""
    sizes = np.asarray(layout.sizes, dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    position = np.arange(width)
    real = position < sizes[examples][:, None]
    tokens = np.where(real, starts[examples][:, None] + position, -1)
    return torch.from_numpy(tokens).to(layout.cu_seqlens.device, non_blocking=True), bool(real.all())
