"""Rectangles of whole examples: every query of an example with all its keys, examples of like lengths in one stack."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from finetune.attention.kernels.schedule import Distances, Schedule, Stack
from finetune.attention.layout import Ragged, ragged_mask
from finetune.attention.masks import Mask, causal, full
from finetune.attention.planning.grouping import Group, group
from finetune.attention.planning.view import Integers


def whole_examples(
    mask: Mask,
    queries: Ragged,
    keys: Ragged,
    num_heads: int,
    *,
    width: int = 64,
    heads: range | None = None,
    biased: bool = False,
) -> list[Stack]:
    """The stacks that compute each example's whole square.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Attention heads.
        width: Of a head.
        heads: The heads that the stacks are for; all where None.
        biased: Whether a relative bias is added, from a table whose middle is distance 0.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    longest = max((*queries.sizes, *keys.sizes), default=0)
    query_sizes, key_sizes = (np.asarray(side.sizes, dtype=np.int64) for side in (queries, keys))
    groups = group(query_sizes, key_sizes, num_heads if heads is None else len(heads), width)
    return [_stack(part, mask, queries, keys, num_heads, heads, longest if biased else None) for part in groups]


def _stack(
    part: Group,
    mask: Mask,
    queries: Ragged,
    keys: Ragged,
    num_heads: int,
    heads: range | None,
    longest: int | None,
) -> Stack:
    device = queries.cu_seqlens.device
    query_tokens, queries_fill = slots(queries, part.members, part.queries)
    key_tokens, keys_fill = slots(keys, part.members, part.keys)
    allowed: Tensor | None = None
    if mask == full():
        allowed = None if queries_fill and keys_fill else (key_tokens >= 0)[:, None, None, :]
    elif mask == causal() and keys is queries:
        # Padding comes after every real query, which does not see it.
        allowed = torch.ones(1, 1, part.queries, part.keys, dtype=torch.bool, device=device).tril()
    else:
        allowed = ragged_mask(
            mask, queries, keys, num_heads=num_heads, query_tokens=query_tokens, key_tokens=key_tokens
        )
    distances = None
    if longest is not None:
        query_positions, key_positions = (
            torch.arange(count, device=device)[None] for count in (part.queries, part.keys)
        )
        distances = Distances(query_positions, key_positions, longest - 1)
    return Stack(query_tokens, key_tokens, allowed, heads, distances)


def first_queries(mask: Mask, stream: Ragged, num_heads: int, *, width: int = 64) -> Schedule:
    """How self-attention is computed of each example's first query alone; queries are numbered by example.

    Args:
        mask: Who may attend to whom.
        stream: Of queries and keys.
        num_heads: Attention heads.
        width: Of a head.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    sizes = np.asarray(stream.sizes, dtype=np.int64)
    stacks = []
    for part in group(np.minimum(sizes, 1), sizes, num_heads, width):
        examples = torch.from_numpy(part.members).to(stream.starts.device)[:, None]
        keys, _ = slots(stream, part.members, part.keys)
        allowed = (
            (keys >= 0)[:, None, None]
            if mask == full()
            else ragged_mask(
                mask, stream, stream, num_heads=num_heads, query_tokens=stream.starts[examples], key_tokens=keys
            )
        )
        stacks.append(Stack(examples, keys, allowed))
    return Schedule(tuple(stacks), len(sizes), stream.total, num_heads)


def slots(layout: Ragged, examples: Integers, width: int) -> tuple[Tensor, bool]:
    """Tokens of examples as rows of slots: int64 [examples, width], -1 at padding; and whether there is none."""
    sizes = np.asarray(layout.sizes, dtype=np.int64)
    starts = np.cumsum(sizes) - sizes
    position = np.arange(width)
    real = position < sizes[examples][:, None]
    tokens = np.where(real, starts[examples][:, None] + position, -1)
    return torch.from_numpy(tokens).to(layout.cu_seqlens.device, non_blocking=True), bool(real.all())
