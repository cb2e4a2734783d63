"""Block lists for FlexAttention, from a mask's bounds."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from finetune.attention.kernels.flex import BLOCK, FlexBlocks
from finetune.attention.layout import Ragged, layout_scope
from finetune.attention.masks import Mask
from finetune.attention.planning.reach import pairs
from finetune.attention.planning.view import Booleans, Integers, View


def flex_blocks(mask: Mask, views: list[View], heads: list[range], queries: Ragged, keys: Ragged) -> FlexBlocks:
    """Which blocks of the stream's square FlexAttention must look at.

    Args:
        mask: Who may attend to whom.
        views: Of each group of heads with one mask, on the CPU.
        heads: Those groups.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
    """
    maps = [np.stack(_block_maps(view)) for view in views]  # each [2, blocks of queries, blocks of keys]
    if len(maps) > 1:
        maps = [one for one, group in zip(maps, heads, strict=True) for _ in group]
    device = queries.cu_seqlens.device
    possible, certain = torch.from_numpy(np.stack(maps, axis=1)).to(device)
    longest = max((*queries.sizes, *keys.sizes), default=0)
    num_heads = views[0].num_heads

    def allowed(head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        example = queries.example_ids[q]
        scope = layout_scope(queries, keys, example, num_heads)
        found = mask.allowed(scope, head, queries.positions[q], keys.positions[k])
        return found & (example == keys.example_ids[k])

    return FlexBlocks(possible & ~certain, certain, allowed, queries.positions, keys.positions, longest - 1)


def _block_maps(view: View) -> tuple[Booleans, Booleans]:
    """Where a block of the stream's square may hold an allowed pair, and where all its pairs are allowed."""
    query_block, query_example, query_first, query_last = _pieces(view.query_sizes)
    key_block, key_example, key_first, key_last = _pieces(view.key_sizes)
    of_example = np.bincount(key_example, minlength=len(view.key_sizes))
    piece, number = pairs(of_example[query_example])
    other = (np.cumsum(of_example) - of_example)[query_example[piece]] + number
    ends = query_first[piece], query_last[piece], key_first[other], key_last[other]
    possible, certain = view.bounds(query_example[piece], *ends)
    shape = tuple(-(-int(sizes.sum()) // BLOCK) for sizes in (view.query_sizes, view.key_sizes))
    some, every = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    np.logical_or.at(some, (query_block[piece], key_block[other]), possible)
    whole = (query_last - query_first == BLOCK - 1)[piece] & (key_last - key_first == BLOCK - 1)[other]
    np.logical_or.at(every, (query_block[piece], key_block[other]), certain & whole)
    return some, every


def _pieces(sizes: Integers) -> tuple[Integers, Integers, Integers, Integers]:
    """Block, example, first and last position of the pieces into which examples and blocks cut a stream."""
    starts = np.cumsum(sizes) - sizes
    stops = starts + sizes
    touched = np.where(sizes > 0, (stops - 1) // BLOCK - starts // BLOCK + 1, 0)
    example, number = pairs(touched)
    block = starts[example] // BLOCK + number
    first = np.maximum(block * BLOCK, starts[example]) - starts[example]
    last = np.minimum((block + 1) * BLOCK, stops[example]) - 1 - starts[example]
    return block, example, first, last
