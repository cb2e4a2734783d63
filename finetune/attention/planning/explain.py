"""`explain`: how attention under a mask is computed, and what that saves, in numbers that can be printed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask
from finetune.attention.masks.counting import count
from finetune.attention.masks.scope import ExampleFeatures, Scope, example_scope
from finetune.attention.planning.cost import COSTS
from finetune.attention.planning.planner import plan, select


@dataclass(frozen=True)
class Explanation:
    """How attention under a mask is computed for some examples, and what that saves.

    Args:
        mask: Who may attend to whom.
        kernels: The kernel of each group of neighbouring heads, in words: "blocks of 32 queries".
        heads: The first and the last head of each group.
        allowed_pairs: Number of pairs that the mask allows, over all heads and examples.
        computed_pairs: Number of pairs that are computed, over all heads and examples.
        padded_pairs: Number of pairs of the padded batch: heads times examples times the longest query side times the
            longest key side.
        cost: Milliseconds of the forward and the backward pass, as the cost model estimates them for the machine that
            it was fitted on.
        padded_cost: Milliseconds that the padded batch would take, by the same estimate.
    """

    mask: Mask
    kernels: tuple[str, ...]
    heads: tuple[tuple[int, int], ...]
    allowed_pairs: int
    computed_pairs: int
    padded_pairs: int
    cost: float
    padded_cost: float

    @property
    def allowed_share(self) -> float:
        """Allowed pairs as a share of the padded pairs."""
        return self.allowed_pairs / max(self.padded_pairs, 1)

    @property
    def computed_share(self) -> float:
        """Computed pairs as a share of the padded pairs."""
        return self.computed_pairs / max(self.padded_pairs, 1)

    @property
    def saving(self) -> float:
        """Share of the padded batch's attention time that is saved, by the estimate."""
        return 1 - self.cost / self.padded_cost if self.padded_cost else 0.0

    @property
    def kernel(self) -> str:
        """All kernels with their heads, in one line."""
        if len(self.kernels) == 1:
            return self.kernels[0]
        groups = zip(self.heads, self.kernels, strict=True)
        return ", ".join(f"heads {first}-{last} {kernel}" for (first, last), kernel in groups)


def explain(
    mask: Mask,
    queries: Ragged,
    keys: Ragged,
    num_heads: int,
    *,
    head_dim: int = 64,
    has_relative_bias: bool = False,
    kernel: str | None = None,
) -> Explanation:
    """Explain what `plan` does with the same arguments.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Number of attention heads.
        head_dim: Size of one attention head.
        has_relative_bias: Whether a relative bias is added to the scores.
        kernel: One of `KERNELS`, in place of the choice by cost.

    Raises:
        MaskError: The mask cannot be evaluated.
        LayoutError: Queries and keys have different numbers of examples.
        PlanError: There is no such kernel, or it does not run on this device.
    """
    bias = has_relative_bias
    tiles = plan(mask, queries, keys, num_heads, head_dim=head_dim, has_relative_bias=bias, kernel=kernel)
    groups = select(mask, queries, keys, num_heads, head_dim=head_dim, kernel=kernel)
    padded_shape = len(queries.sizes), num_heads, max(queries.sizes, default=0), max(keys.sizes, default=0)
    return Explanation(
        mask=mask,
        kernels=tuple(str(group.strategy) for group in groups),
        heads=tuple((group.heads[0], group.heads[-1]) for group in groups),
        allowed_pairs=allowed_pairs(mask, queries, keys, num_heads),
        computed_pairs=tiles.num_weights,
        padded_pairs=math.prod(padded_shape),
        cost=_milliseconds([batch.shape for batch in tiles.batches], head_dim),
        padded_cost=_milliseconds([padded_shape] if queries.sizes else [], head_dim),
    )


def _milliseconds(shapes: Iterable[tuple[int, int, int, int]], head_dim: int) -> float:
    """Return the estimated time of batches with these numbers of tiles, heads, queries and keys."""
    nanoseconds = (COSTS.of_batches(tiles, queries, keys, heads, head_dim) for tiles, heads, queries, keys in shapes)
    return sum(map(float, nanoseconds)) / 1e6


def allowed_pairs(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int) -> int:
    """Count the pairs that a mask allows over all examples and heads, without a whole square in memory.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Number of attention heads.

    Raises:
        MaskError: The mask cannot be evaluated: a column is missing, or the number of heads does not fit.
    """
    total = 0
    for example, (query_length, key_length) in enumerate(zip(queries.sizes, keys.sizes, strict=True)):
        total += count(mask.boolean, scope_of_one(queries, keys, example, num_heads), query_length, key_length)
    return total


def scope_of_one(queries: Ragged, keys: Ragged, example: int, num_heads: int) -> Scope:
    """Return the scope of a single example of a stream, on the CPU.

    Args:
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        example: Index of the example in the stream.
        num_heads: Number of attention heads.
    """
    features, query_length = _features(queries, example), queries.sizes[example]
    if keys is queries:
        return example_scope(query_length, None, num_heads, features)
    return example_scope(query_length, keys.sizes[example], num_heads, features, _features(keys, example))


def _features(layout: Ragged, example: int) -> ExampleFeatures:
    """Return the token columns and the values of one example of a stream, on the CPU."""
    starts = np.concatenate([[0], np.cumsum(layout.sizes)])
    tokens = slice(int(starts[example]), int(starts[example + 1]))
    columns = {name: column[tokens].cpu() for name, column in layout.columns.items()}
    return {**columns, **{name: int(value[example]) for name, value in layout.values.items()}}
