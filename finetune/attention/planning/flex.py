"""Block lists for FlexAttention, from the bounds of a mask."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from finetune.attention.kernels.flex import BLOCK, FlexBlocks, PairFunction
from finetune.attention.layout import Ragged, layout_scope
from finetune.attention.masks import Mask
from finetune.attention.planning.heads import BoolArray, HeadGroup, IntArray, example_sizes, mask_bounds
from finetune.attention.planning.tiles import expand_counts


def flex_blocks(mask: Mask, groups: list[HeadGroup], queries: Ragged, keys: Ragged) -> FlexBlocks:
    """Return the blocks of a stream's score matrix that FlexAttention must compute.

    Args:
        mask: Who may attend to whom.
        groups: All heads of the model, grouped by their mask.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
    """
    maps = [np.stack(_block_maps(group)) for group in groups]  # each [2, blocks of queries, blocks of keys]
    if len(maps) > 1:
        maps = [one for one, group in zip(maps, groups, strict=True) for _ in group.heads]
    device = queries.cu_seqlens.device
    possible, certain = torch.from_numpy(np.stack(maps, axis=1)).to(device)
    longest = max((*queries.sizes, *keys.sizes), default=0)
    num_heads = groups[0].num_heads

    def allowed(head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        example = queries.example_ids[q]
        scope = layout_scope(queries, keys, example, num_heads)
        found = mask.boolean.allowed(scope, head, queries.positions[q], keys.positions[k])
        return found & (example == keys.example_ids[k])

    return FlexBlocks(
        possible & ~certain,
        certain,
        allowed,
        queries.positions,
        keys.positions,
        longest - 1,
        _pair_scores(mask, queries, keys, num_heads) if mask.terms else None,
    )


def _pair_scores(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int) -> PairFunction:
    """Return the function of scalar tensors (h, q, k) that evaluates the sum of a mask's score terms."""
    device = queries.cu_seqlens.device
    factors = [torch.tensor(term.head_factors(num_heads), device=device) for term in mask.terms]  # each [heads]

    def total(head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        scope = layout_scope(queries, keys, queries.example_ids[q], num_heads)
        at = scope, head, queries.positions[q], keys.positions[k]
        numbers = [term.pair_scores(*at) * factor[head] for term, factor in zip(mask.terms, factors, strict=True)]
        return sum(numbers[1:], start=numbers[0])

    return total


def _block_maps(group: HeadGroup) -> tuple[BoolArray, BoolArray]:
    """Return where a block of the score matrix may hold an allowed pair, and where all its pairs are allowed.

    Both are bool [blocks of queries, blocks of keys].
    """
    query_sizes, key_sizes = example_sizes(group.queries), example_sizes(group.keys)
    query_block, query_example, query_first, query_last = _pieces(query_sizes)
    key_block, key_example, key_first, key_last = _pieces(key_sizes)
    of_example = np.bincount(key_example, minlength=len(key_sizes))
    # Each piece of queries is paired with every piece of keys of its example.
    piece, number = expand_counts(of_example[query_example])
    other = (np.cumsum(of_example) - of_example)[query_example[piece]] + number
    ends = query_first[piece], query_last[piece], key_first[other], key_last[other]
    possible, certain = mask_bounds(group, query_example[piece], *ends)
    shape = tuple(-(-int(sizes.sum()) // BLOCK) for sizes in (query_sizes, key_sizes))
    some, every = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    np.logical_or.at(some, (query_block[piece], key_block[other]), possible)
    # A block is full only where one pair of pieces fills it: elsewhere it holds pairs of different examples.
    whole = (query_last - query_first == BLOCK - 1)[piece] & (key_last - key_first == BLOCK - 1)[other]
    np.logical_or.at(every, (query_block[piece], key_block[other]), certain & whole)
    return some, every


def _pieces(sizes: IntArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Return the pieces into which the ends of examples and of blocks cut a stream.

    Args:
        sizes: int64 [examples], number of tokens of each example.

    Returns:
        Block, example, first position and last position of each piece, int64 [pieces] each; positions count from 0 in
        the example.
    """
    starts = np.cumsum(sizes) - sizes
    stops = starts + sizes
    touched = np.where(sizes > 0, (stops - 1) // BLOCK - starts // BLOCK + 1, 0)
    example, number = expand_counts(touched)
    block = starts[example] // BLOCK + number
    first = np.maximum(block * BLOCK, starts[example]) - starts[example]
    last = np.minimum((block + 1) * BLOCK, stops[example]) - 1 - starts[example]
    return block, example, first, last
