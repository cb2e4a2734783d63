"""`plan`: which tiles are computed for a mask and two streams, at the least cost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from finetune.attention.kernels.plan import AttentionPlan, TileBatch, compile_plan
from finetune.attention.layout import LayoutError, Ragged
from finetune.attention.masks import Mask
from finetune.attention.masks.errors import did_you_mean
from finetune.attention.planning.blocks import find_tiles, tile_batches
from finetune.attention.planning.errors import PlanError
from finetune.attention.planning.heads import HeadGroup, head_groups
from finetune.attention.planning.key_sets import dense_rows
from finetune.attention.planning.rows import with_rows
from finetune.attention.planning.selection import select_strategy
from finetune.attention.planning.strategies import KERNELS, WHOLE
from finetune.attention.planning.whole import scored_batch, whole_examples

if TYPE_CHECKING:
    from finetune.attention.kernels.flex import FlexBlocks


def plan(
    mask: Mask,
    queries: Ragged,
    keys: Ragged,
    num_heads: int,
    *,
    head_dim: int = 64,
    has_relative_bias: bool = False,
    kernel: str | None = None,
    padded_lengths: tuple[int, int] | None = None,
) -> AttentionPlan:
    """Plan attention under a mask at the least cost.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Number of attention heads.
        head_dim: Size of one attention head.
        has_relative_bias: Whether a relative bias is added, from a table [heads, 2 * longest - 1] with distance 0 in
            its middle; longest is the number of tokens of the longest example on either side.
        kernel: One of `KERNELS`, in place of the choice by cost.
        padded_lengths: Number of tokens of the query tensor and of the key tensor, where they have padding after the
            tokens of the streams; None where they have none.

    Returns:
        The plan that `tiled_attention` takes, on the device of the streams.

    Raises:
        MaskError: The mask or a score term cannot be evaluated: a column is missing, the number of heads does not fit,
            or a term is not defined in cross-attention.
        LayoutError: Queries and keys have different numbers of examples.
        PlanError: There is no such kernel, or it does not run on this device.
    """
    _check(queries, keys, kernel)
    groups = select(mask, queries, keys, num_heads, head_dim=head_dim, kernel=kernel)
    batches = _batches(mask.boolean, groups, queries, keys, head_dim, has_relative_bias)
    if mask.terms:
        batches = [scored_batch(batch, mask, queries, keys, num_heads) for batch in batches]
    flex = _flex_blocks(mask, groups, queries, keys) if kernel == "flex" else None
    num_queries, num_keys = padded_lengths or (queries.total, keys.total)
    return compile_plan(batches, num_queries, num_keys, num_heads, flex)


def _check(queries: Ragged, keys: Ragged, kernel: str | None) -> None:
    """Raise PlanError or LayoutError where `plan` cannot use these arguments."""
    if kernel is not None and kernel not in KERNELS:
        known = ", ".join(KERNELS)
        raise PlanError(f"there is no kernel {kernel!r}; there are {known}{did_you_mean(kernel, KERNELS)}")
    if kernel == "flex" and queries.cu_seqlens.device.type != "cuda":
        raise PlanError(f"the kernel 'flex' runs on CUDA alone, not on {queries.cu_seqlens.device.type}")
    if len(queries.sizes) != len(keys.sizes):
        raise LayoutError(f"there are {len(queries.sizes)} examples of queries and {len(keys.sizes)} of keys")


def select(
    mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, *, head_dim: int = 64, kernel: str | None = None
) -> list[HeadGroup]:
    """Group the heads by their mask, and select the strategy that `plan` uses for each group.

    Args:
        mask: Who may attend to whom.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Number of attention heads.
        head_dim: Size of one attention head.
        kernel: One of `KERNELS`, in place of the choice by cost.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    # Masks are evaluated on the CPU: on a GPU, each of the many small steps would cost a launch and a wait.
    queries_here = _on_cpu(queries)
    keys_here = queries_here if keys is queries else _on_cpu(keys)
    kernel = None if kernel == "flex" else kernel  # with dropout, flex falls back to the cheapest tiles
    return [
        replace(group, strategy=select_strategy(group, head_dim, kernel))
        for group in head_groups(mask.boolean, queries_here, keys_here, num_heads)
    ]


def _flex_blocks(mask: Mask, groups: list[HeadGroup], queries: Ragged, keys: Ragged) -> FlexBlocks:
    from finetune.attention.planning.flex import flex_blocks  # its imports take a second

    return flex_blocks(mask, groups, queries, keys)


def _on_cpu(layout: Ragged) -> Ragged:
    return layout if layout.cu_seqlens.device.type == "cpu" else layout.to(torch.device("cpu"))


def _batches(
    mask: Mask, groups: list[HeadGroup], queries: Ragged, keys: Ragged, head_dim: int, has_relative_bias: bool
) -> list[TileBatch]:
    """Return the tiles of all heads, on the device of the streams."""
    if all(group.strategy == WHOLE for group in groups):
        # One batch for all heads, even where their masks differ, takes fewer matrix products than one for each group.
        num_heads = groups[0].num_heads
        return whole_examples(
            mask, range(num_heads), queries, keys, num_heads, head_dim=head_dim, has_relative_bias=has_relative_bias
        )
    return [batch for group in groups for batch in _group_batches(group, queries, keys, head_dim, has_relative_bias)]


def _group_batches(
    group: HeadGroup, queries: Ragged, keys: Ragged, head_dim: int, has_relative_bias: bool
) -> list[TileBatch]:
    """Return the tiles of a group of heads, on the device of the streams."""
    if group.strategy is None or group.strategy == WHOLE:
        return whole_examples(
            group.mask,
            group.heads,
            queries,
            keys,
            group.num_heads,
            head_dim=head_dim,
            has_relative_bias=has_relative_bias,
        )
    strategy, group = group.strategy, with_rows(group)
    dense = dense_rows(group, strategy.column)
    tiles = find_tiles(group, dense, strategy.size, strategy.step, column=strategy.column)
    batches = tile_batches(group, tiles, head_dim, has_relative_bias)
    device = queries.cu_seqlens.device
    return batches if device.type == "cpu" else [_to(batch, device) for batch in batches]


def _to(batch: TileBatch, device: torch.device) -> TileBatch:
    return TileBatch(
        batch.queries.to(device, non_blocking=True),
        batch.keys.to(device, non_blocking=True),
        None if batch.allowed is None else batch.allowed.to(device, non_blocking=True),
        batch.heads,
        None if batch.bias_index is None else batch.bias_index.to(device, non_blocking=True),
    )
