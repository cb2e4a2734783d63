"""Heads that share a mask, with what a plan asks about it: the mask evaluated for chosen pairs, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from finetune.attention.layout import Ragged, layout_scope
from finetune.attention.masks import Mask, Span
from finetune.attention.planning.strategies import Strategy

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

PAIRS_AT_ONCE = 2**17
"""Pairs, or blocks of pairs, that are evaluated together, so that intermediate results stay in the cache."""


@dataclass(frozen=True, eq=False)
class HeadGroup:
    """Neighbouring heads with the same mask, and how their attention is computed.

    Args:
        mask: The mask of these heads, free of per_head. Where it still differs between heads, the group is one head.
        heads: The heads.
        num_heads: Heads of the model.
        queries: The stream of the queries, on the CPU.
        keys: The stream of the keys, on the CPU; the same object in self-attention.
        strategy: How attention is computed; None until it is chosen.
    """

    mask: Mask
    heads: range
    num_heads: int
    queries: Ragged
    keys: Ragged
    strategy: Strategy | None = None


def head_groups(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int) -> list[HeadGroup]:
    """The heads of a model by their mask, in order, without strategies.

    Args:
        mask: The mask of all heads.
        queries: The stream of the queries, on the CPU.
        keys: The stream of the keys, on the CPU; the same object in self-attention.
        num_heads: Heads of the model.

    Raises:
        MaskError: The number of heads does not fit.
    """
    if not mask.needs.by_head:
        return [HeadGroup(mask, range(num_heads), num_heads, queries, keys)]
    masks = [mask.at_head(head, num_heads) for head in range(num_heads)]
    groups = []
    # A custom mask may read the head's number: then no two heads are alike.
    for _, members in groupby(range(num_heads), lambda head: (masks[head], masks[head].needs.by_head and head)):
        heads = list(members)
        groups.append(HeadGroup(masks[heads[0]], range(heads[0], heads[-1] + 1), num_heads, queries, keys))
    return groups


def example_sizes(layout: Ragged) -> IntArray:
    """Tokens of each example, int64 [examples]."""
    return np.asarray(layout.sizes, dtype=np.int64)


def example_starts(layout: Ragged) -> IntArray:
    """Index of each example's first token in the stream, int64 [examples]."""
    sizes = example_sizes(layout)
    starts: IntArray = np.cumsum(sizes) - sizes
    return starts


def check_evaluable(group: HeadGroup) -> None:
    """Evaluate one pair. Raises MaskError where a column is missing, which `mask_bounds` would take for unknown."""
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
    """Which blocks of pairs hold any possible pair, and which hold allowed pairs alone: bool [blocks, ...], twice.

    Args:
        group: The heads.
        examples: The example of each block, int64 [blocks, ...]. All arrays have as many dimensions as the answers and
            broadcast to their shape.
        first_query: Position of each block's first query in its example.
        last_query: Of its last query.
        first_key: Of its first key.
        last_key: Of its last key.
        steps: Distance between neighbouring queries, and keys, of a block; see `Span`.
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


def allowed_pairs(group: HeadGroup, examples: IntArray, queries: IntArray, keys: IntArray) -> BoolArray:
    """Which pairs the mask allows: bool [rows, ...].

    Args:
        group: The heads.
        examples: The example of each pair, int64 [rows, ...]. All arrays have as many dimensions as the answer and
            broadcast to its shape.
        queries: Position of each pair's query in its example.
        keys: Position of each pair's key.

    Raises:
        MaskError: The mask cannot be evaluated.
    """

    def evaluate(example: Tensor, q: Tensor, k: Tensor) -> Tensor:
        scope = layout_scope(group.queries, group.keys, example, group.num_heads)
        allowed = group.mask.allowed(scope, torch.tensor(group.heads.start), q, k)
        return allowed.expand(_shape(example, q, k))[None]

    answer: BoolArray = _in_portions(evaluate, examples, queries, keys)[0]
    return answer


def _shape(*tensors: Tensor) -> torch.Size:
    return torch.Size(np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors)))


def _in_portions(evaluate: Callable[..., Tensor], *arguments: IntArray) -> BoolArray:
    """[answers, rows, ...] of arguments [rows, ...], evaluated a few rows at a time."""
    shape = np.broadcast_shapes(*(argument.shape for argument in arguments))
    rows = max(1, PAIRS_AT_ONCE // max(1, int(np.prod(shape[1:]))))
    tensors = [torch.from_numpy(argument).expand(shape[0], *argument.shape[1:]) for argument in arguments]
    portions = [
        evaluate(*(tensor[start : start + rows] for tensor in tensors)) for start in range(0, max(shape[0], 1), rows)
    ]
    answers: BoolArray = torch.cat(portions, dim=1).numpy()
    return answers
