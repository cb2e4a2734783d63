"""Groups of heads that share a mask, and the evaluation of that mask for chosen pairs or blocks, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from finetune.attention.layout import Ragged, layout_scope
from finetune.attention.masks import Mask, Span
from finetune.attention.planning.strategies import Strategy

if TYPE_CHECKING:
    from finetune.attention.planning.rows import MaskRows

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

PAIRS_AT_ONCE = 2**17
"""Number of pairs, or of blocks of pairs, that are evaluated together, so that intermediate results fit the cache."""
BLOCK = 64
"""Number of queries, and of keys, of the blocks whose bounds `open_share` computes."""


@dataclass(frozen=True, eq=False)
class HeadGroup:
    """Neighbouring heads with the same mask, and how their attention is computed.

    Args:
        mask: The mask of these heads, in which no per_head remains. If it still differs between heads, as a custom
            mask can, the group is a single head.
        heads: The heads.
        num_heads: Number of heads of the model.
        queries: The stream of the queries, on the CPU.
        keys: The stream of the keys, on the CPU; the same object in self-attention.
        strategy: How attention is computed; None until it is selected.
        rows: The rows of custom masks in each example, where they are evaluated once; see `with_rows`.
    """

    mask: Mask
    heads: range
    num_heads: int
    queries: Ragged
    keys: Ragged
    strategy: Strategy | None = None
    rows: Mapping[Mask, tuple[MaskRows, ...]] = field(default_factory=dict)


def head_groups(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int) -> list[HeadGroup]:
    """Group the heads of a model by their mask, in order and without strategies.

    Args:
        mask: The mask of all heads.
        queries: The stream of the queries, on the CPU.
        keys: The stream of the keys, on the CPU; the same object in self-attention.
        num_heads: Number of heads of the model.

    Raises:
        MaskError: The number of heads does not fit.
    """
    if not mask.needs.by_head:
        return [HeadGroup(mask, range(num_heads), num_heads, queries, keys)]
    masks = [mask.at_head(head, num_heads) for head in range(num_heads)]
    groups = []
    # A custom mask may read the number of the head: then no two heads have the same mask.
    for _, members in groupby(range(num_heads), lambda head: (masks[head], masks[head].needs.by_head and head)):
        heads = list(members)
        groups.append(HeadGroup(masks[heads[0]], range(heads[0], heads[-1] + 1), num_heads, queries, keys))
    return groups


def example_sizes(layout: Ragged) -> IntArray:
    """Return the number of tokens of each example, int64 [examples]."""
    return np.asarray(layout.sizes, dtype=np.int64)


def example_starts(layout: Ragged) -> IntArray:
    """Return the index in the stream of the first token of each example, int64 [examples]."""
    sizes = example_sizes(layout)
    starts: IntArray = np.cumsum(sizes) - sizes
    return starts


def check_evaluable(group: HeadGroup) -> None:
    """Evaluate one pair, so that a missing column is an error; in `mask_bounds` it only makes blocks unknown.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    first = np.zeros(min(1, len(group.queries.sizes)), dtype=np.int64)
    allowed_pairs(group, first, first, first)


def mask_bounds(
    group: HeadGroup,
    examples: IntArray,
    first_query: IntArray,
    last_query: IntArray,
    first_key: IntArray,
    last_key: IntArray,
    steps: tuple[int, int] = (1, 1),
) -> tuple[BoolArray, BoolArray]:
    """Return the bounds of a mask in blocks of pairs.

    All arrays are int64, have the same number of dimensions, and broadcast to one shape [blocks, ...].

    Args:
        group: The heads.
        examples: The example of each block.
        first_query: Position of the first query of each block in its example.
        last_query: Position of the last query of each block.
        first_key: Position of the first key of each block.
        last_key: Position of the last key of each block.
        steps: Distance between neighbouring queries of a block, and between neighbouring keys; see `Span`.

    Returns:
        Whether each block may hold an allowed pair, and whether all its pairs are allowed, bool [blocks, ...] each.
    """

    def evaluate(example: Tensor, *ends: Tensor) -> Tensor:
        first_q, last_q, first_k, last_k = ends
        queries, keys = Span(first_q, last_q, steps[0]), Span(first_k, last_k, steps[1])
        scope = layout_scope(group.queries, group.keys, example, group.num_heads)
        bounds = group.mask.bounds(scope, torch.tensor(group.heads.start), queries, keys)
        shape = _shape(example, *ends)
        return torch.stack([bounds.possible.expand(shape), bounds.certain.expand(shape)])

    possible, certain = _in_portions(evaluate, examples, first_query, last_query, first_key, last_key)
    return possible, certain


def open_share(group: HeadGroup) -> float:
    """Return the share of blocks of pairs that the bounds of a mask neither exclude nor call certain."""
    if not group.queries.sizes:
        return 0.0
    blocks = [_block_ends(group, example) for example in range(len(group.queries.sizes))]
    examples, first_q, last_q, first_k, last_k = (np.concatenate(ends) for ends in zip(*blocks, strict=True))
    possible, certain = mask_bounds(group, examples, first_q, last_q, first_k, last_k)
    return float((possible & ~certain).mean()) if len(possible) else 0.0


def _block_ends(group: HeadGroup, example: int) -> tuple[IntArray, ...]:
    """Return the example, and the first and last query and key, of each block of an example, int64 [blocks] each."""
    first_q, first_k = (np.arange(0, side.sizes[example], BLOCK) for side in (group.queries, group.keys))
    last_q = np.minimum(first_q + BLOCK, group.queries.sizes[example]) - 1
    last_k = np.minimum(first_k + BLOCK, group.keys.sizes[example]) - 1
    query, key = (index.ravel() for index in np.indices((len(first_q), len(first_k))))
    return np.full(len(query), example), first_q[query], last_q[query], first_k[key], last_k[key]


def allowed_pairs(group: HeadGroup, examples: IntArray, queries: IntArray, keys: IntArray) -> BoolArray:
    """Return which pairs a mask allows, bool [rows, ...].

    All arrays are int64, have the same number of dimensions, and broadcast to one shape [rows, ...].

    Args:
        group: The heads.
        examples: The example of each pair.
        queries: Position of the query of each pair in its example.
        keys: Position of the key of each pair in its example.

    Raises:
        MaskError: The mask cannot be evaluated.
    """

    def evaluate(example: Tensor, q: Tensor, k: Tensor) -> Tensor:
        scope = layout_scope(group.queries, group.keys, example, group.num_heads)
        allowed = group.mask.allowed(scope, torch.tensor(group.heads.start), q, k)
        return allowed.expand(_shape(example, q, k))[None]

    allowed: BoolArray = _in_portions(evaluate, examples, queries, keys)[0]
    return allowed


def _shape(*tensors: Tensor) -> torch.Size:
    return torch.Size(np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors)))


def _in_portions(evaluate: Callable[..., Tensor], *arguments: IntArray) -> BoolArray:
    """Evaluate a function of arguments [rows, ...] a few rows at a time.

    Args:
        evaluate: Takes a tensor for each argument, and returns bool [results, rows, ...].
        *arguments: int64, broadcastable to [rows, ...].

    Returns:
        bool [results, rows, ...].
    """
    shape = np.broadcast_shapes(*(argument.shape for argument in arguments))
    rows = max(1, PAIRS_AT_ONCE // max(1, int(np.prod(shape[1:]))))
    tensors = [torch.from_numpy(argument).expand(shape[0], *argument.shape[1:]) for argument in arguments]
    portions = [
        evaluate(*(tensor[start : start + rows] for tensor in tensors)) for start in range(0, max(shape[0], 1), rows)
    ]
    results: BoolArray = torch.cat(portions, dim=1).numpy()
    return results
