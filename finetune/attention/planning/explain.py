"""What a plan does and why, in numbers that can be printed."""

from __future__ import annotations

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
        kernels: The kernel of each run of heads, in words: "blocks of 32 queries".
        heads: The first and last head of each run.
        allowed_pairs: Pairs that the mask allows, over all heads and examples.
        computed_pairs: Pairs that are computed.
        padded_pairs: Pairs of the padded batch: examples times the longest query side times the longest key side.
        cost: Estimated by the cost model, in milliseconds of the machine that it was fitted on, forward and backward.
        padded_cost: The same for the padded batch.
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
        """Of the padded pairs."""
        return self.allowed_pairs / max(self.padded_pairs, 1)

    @property
    def computed_share(self) -> float:
        """Of the padded pairs."""
        return self.computed_pairs / max(self.padded_pairs, 1)

    @property
    def saving(self) -> float:
        """Share of the padded batch's attention time that is expected to be saved."""
        return 1 - self.cost / self.padded_cost if self.padded_cost else 0.0

    @property
    def kernel(self) -> str:
        """All kernels in one line."""
        if len(self.kernels) == 1:
            return self.kernels[0]
        runs = zip(self.heads, self.kernels, strict=True)
        return ", ".join(f"heads {first}-{last} {kernel}" for (first, last), kernel in runs)


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

    Raises:
        MaskError: As `plan`.
        LayoutError: As `plan`.
        PlanError: As `plan`.
    """
    attention_plan = plan(
        mask, queries, keys, num_heads, head_dim=head_dim, has_relative_bias=has_relative_bias, kernel=kernel
    )
    groups = select(mask, queries, keys, num_heads, head_dim=head_dim, kernel=kernel)
    batch, tallest, widest = len(queries.sizes), max(queries.sizes, default=0), max(keys.sizes, default=0)
    shapes = [batch.shape for batch in attention_plan.batches]
    cost = sum(
        float(COSTS.of_batches(tiles, tile_queries, tile_keys, heads, head_dim))
        for tiles, heads, tile_queries, tile_keys in shapes
    )
    padded_cost = float(COSTS.of_batches(batch, tallest, widest, num_heads, head_dim)) if batch else 0.0
    return Explanation(
        mask=mask,
        kernels=tuple(str(group.strategy) for group in groups),
        heads=tuple((group.heads[0], group.heads[-1]) for group in groups),
        allowed_pairs=allowed_pairs(mask, queries, keys, num_heads),
        computed_pairs=attention_plan.num_weights,
        padded_pairs=batch * tallest * widest * num_heads,
        cost=cost / 1e6,
        padded_cost=padded_cost / 1e6,
    )


def allowed_pairs(mask: Mask, queries: Ragged, keys: Ragged, num_heads: int) -> int:
    """Pairs that a mask allows over all examples and heads, without ever holding a square.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    total = 0
    for example, (tall, wide) in enumerate(zip(queries.sizes, keys.sizes, strict=True)):
        total += count(mask, scope_of_one(queries, keys, example, num_heads), tall, wide)
    return total


def scope_of_one(queries: Ragged, keys: Ragged, example: int, num_heads: int) -> Scope:
    """The scope of a single example of a stream, on the CPU.

    Args:
        queries: Where the queries of all examples lie.
        keys: Where the keys lie; the same object in self-attention.
        example: The number of the example.
        num_heads: Attention heads.
    """
    features, tall = _features(queries, example), queries.sizes[example]
    if keys is queries:
        return example_scope(tall, None, num_heads, features)
    return example_scope(tall, keys.sizes[example], num_heads, features, _features(keys, example))


def _features(layout: Ragged, example: int) -> ExampleFeatures:
    starts = np.concatenate([[0], np.cumsum(layout.sizes)])
    tokens = slice(int(starts[example]), int(starts[example + 1]))
    columns = {name: column[tokens].cpu() for name, column in layout.columns.items()}
    return {**columns, **{name: int(value[example]) for name, value in layout.values.items()}}
