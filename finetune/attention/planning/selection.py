"""Selection of the cheapest strategy for heads that share a mask."""

from __future__ import annotations

import math

import numpy as np

from finetune.attention.masks import Mask
from finetune.attention.masks.operators import Junction, Not
from finetune.attention.masks.random_keys import RandomKeys
from finetune.attention.planning.blocks import cut, find_tiles
from finetune.attention.planning.cost import COSTS
from finetune.attention.planning.grouping import group_by_size
from finetune.attention.planning.heads import BoolArray, HeadGroup, check_evaluable, example_sizes
from finetune.attention.planning.key_sets import dense_rows
from finetune.attention.planning.listing import query_codes, rows_column
from finetune.attention.planning.rows import with_rows
from finetune.attention.planning.strategies import SIZES, WHOLE, Strategy, block_strategies, mask_parts

SAMPLE = 16
"""Number of tiles from which the cost of all is estimated."""
WORTHWHILE = 0.9
"""Share of the cost of whole examples that the cost of blocks must not exceed; for finding the tiles takes time too."""
REMEMBERED = 4096
"""Number of selections that are kept, to be used again for batches of similar lengths."""

_selected: dict[tuple[object, ...], Strategy] = {}


def select_strategy(group: HeadGroup, head_dim: int, kernel: str | None) -> Strategy:
    """Return the cheapest strategy for a group of heads; batches of similar lengths share one selection.

    Args:
        group: The heads, with their mask and streams.
        head_dim: Size of one attention head.
        kernel: "whole" or "blocks", to allow this kernel only, whatever it costs; None allows both.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    sizes = (*group.queries.sizes, *group.keys.sizes)
    longest = max(sizes, default=0)
    if kernel is None and longest <= SIZES[0]:  # the smallest tile holds a whole example
        return WHOLE
    check_evaluable(group)
    if kernel == WHOLE.kernel:
        return WHOLE
    heads = group.heads if _differs_between_heads(group.mask) else len(group.heads)
    case = group.mask, heads, group.num_heads, head_dim, kernel, _magnitude(longest), _magnitude(sum(sizes))
    if case not in _selected:
        if len(_selected) == REMEMBERED:
            _selected.clear()
        _selected[case] = _cheapest(group, head_dim, kernel)
    return _selected[case]


def _differs_between_heads(mask: Mask) -> bool:
    """Return whether the best strategy may depend on the head; draws of random keys cost the same in every head."""
    return any(part.needs.by_head and not isinstance(part, RandomKeys | Junction | Not) for part in mask_parts(mask))


def _has_repeated_rows(group: HeadGroup, mask: Mask) -> bool:
    """Return whether a custom mask has at most half as many different rows as queries."""
    return len(np.unique(query_codes(group, rows_column(mask)))) <= group.queries.total // 2


def _magnitude(number: int) -> int:
    """Return four times the binary logarithm, rounded: numbers within a fifth of each other mostly have the same."""
    # 2 ** (1 / 4) is 1.19.
    return round(4 * float(np.log2(max(number, 1))))


def _cheapest(group: HeadGroup, head_dim: int, kernel: str | None) -> Strategy:
    """Return the strategy of least cost; blocks if `kernel` is "blocks"."""
    group = with_rows(group)
    longest = max(group.queries.sizes, default=1)
    repeated = [rows_column(mask) for mask in group.rows if _has_repeated_rows(group, mask)]
    strategies = block_strategies(group.mask, longest, repeated)
    dense = {column: dense_rows(group, column) for column in {strategy.column for strategy in strategies}}
    costs = {strategy: cost_of_blocks(group, dense[strategy.column], strategy, head_dim) for strategy in strategies}
    best = min(costs, key=lambda strategy: costs[strategy])
    if kernel is None and costs[best] > WORTHWHILE * cost_of_whole(group, head_dim):
        return WHOLE
    return best


def cost_of_whole(group: HeadGroup, head_dim: int) -> float:
    """Return the cost of computing the whole squares of the examples.

    Args:
        group: The heads, with their mask and streams.
        head_dim: Size of one attention head.

    Returns:
        Nanoseconds of the forward and the backward pass.
    """
    num_heads = len(group.heads)
    sizes = group_by_size(example_sizes(group.queries), example_sizes(group.keys), num_heads, head_dim)
    return sum(
        float(COSTS.of_batches(len(each.members), each.queries, each.keys, num_heads, head_dim)) for each in sizes
    )


def cost_of_blocks(group: HeadGroup, dense: BoolArray, strategy: Strategy, head_dim: int) -> float:
    """Return the cost of computing tiles of a size and step, estimated from some of the tiles.

    Args:
        group: The heads, with their mask and streams.
        dense: bool [queries], the dense rows, which are computed in tiles of their own.
        strategy: The size and the step of the tiles.
        head_dim: Size of one attention head.

    Returns:
        Nanoseconds of the forward and the backward pass.
    """
    num_heads = len(group.heads)
    num_tiles = len(cut(group, strategy.size, strategy.step, strategy.column).examples)
    tiles = find_tiles(group, dense, strategy.size, strategy.step, SAMPLE, strategy.column)
    num_keys = int(tiles.key_counts.mean()) if len(tiles.examples) else 0
    num_queries = strategy.size
    if strategy.column is not None and len(tiles.examples):
        num_queries = math.ceil(tiles.query_counts.mean())  # tiles that end with their group are not full
    cost = COSTS.of_batches(num_tiles, num_queries, num_keys, num_heads, head_dim)
    rows = int(dense.sum())
    longest = max(group.keys.sizes, default=0)
    return float(cost + (COSTS.of_batches(rows, 1, longest, num_heads, head_dim) if rows else 0))
