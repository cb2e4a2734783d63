"""Tiles of whole examples: every query of an example with all its keys, examples of similar lengths in one batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from finetune.attention.kernels.plan import AttentionPlan, TileBatch, compile_plan
from finetune.attention.layout import Ragged, ragged_mask, ragged_scores
from finetune.attention.masks import Mask, causal, full
from finetune.attention.planning.blocks import distance_index
from finetune.attention.planning.grouping import SizeGroup, group_by_size
from finetune.attention.planning.heads import IntArray, example_sizes, example_starts


def whole_examples(
    mask: Mask,
    heads: range,
    queries: Ragged,
    keys: Ragged,
    num_heads: int,
    *,
    head_dim: int = 64,
    has_relative_bias: bool = False,
) -> list[TileBatch]:
    """Return the batches that compute the whole square of each example, on the device of the streams.

    Args:
        mask: Who may attend to whom. It may differ between heads only if `heads` are all heads of the model.
        heads: The heads that are computed.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Number of heads of the model.
        head_dim: Size of one attention head.
        has_relative_bias: Whether a relative bias is added to the scores.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    sizes = group_by_size(example_sizes(queries), example_sizes(keys), len(heads), head_dim)
    longest = max((*queries.sizes, *keys.sizes), default=0)
    return [_batch(one, mask, heads, queries, keys, num_heads, longest if has_relative_bias else None) for one in sizes]


def _batch(
    size: SizeGroup,
    mask: Mask,
    heads: range,
    queries: Ragged,
    keys: Ragged,
    num_heads: int,
    longest: int | None,
) -> TileBatch:
    """Return the batch of some examples.

    Args:
        size: The examples, and the numbers of queries and keys to which they are padded.
        mask: Who may attend to whom.
        heads: The heads that are computed.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Number of heads of the model.
        longest: Number of tokens of the longest example of the streams; None where no relative bias is added.
    """
    device = queries.cu_seqlens.device
    query_tokens, queries_full = _padded_tokens(queries, size.members, size.queries)  # [tiles, queries]
    key_tokens, keys_full = _padded_tokens(keys, size.members, size.keys)  # [tiles, keys]
    allowed: Tensor | None = None
    if mask == full():
        allowed = None if queries_full and keys_full else (key_tokens >= 0)[:, None, None, :]
    elif mask == causal() and keys is queries:
        # Padded keys come after all tokens of an example, so the triangle excludes them for every query.
        allowed = torch.ones(1, 1, size.queries, size.keys, dtype=torch.bool, device=device).tril()
    else:
        allowed = ragged_mask(
            mask, queries, keys, num_heads=num_heads, query_tokens=query_tokens, key_tokens=key_tokens
        )
    bias_index = None
    if longest is not None:
        # Positions count from 0 in every example, so one index serves all tiles.
        query_positions, key_positions = (torch.arange(n, device=device)[None] for n in (size.queries, size.keys))
        bias_index = distance_index(query_positions, key_positions, longest)  # [1, queries, keys]
    return TileBatch(query_tokens, key_tokens, allowed, heads, bias_index)


def plan_cls_only(
    mask: Mask, stream: Ragged, num_heads: int, *, head_dim: int = 64, padded_length: int | None = None
) -> AttentionPlan:
    """Plan self-attention in which the first token of each example ([CLS]) is the only query.

    The query tensor has one row for each example, in the order of the examples.

    Args:
        mask: Who may attend to whom.
        stream: The stream of queries and keys.
        num_heads: Number of attention heads.
        head_dim: Size of one attention head.
        padded_length: Number of tokens of the key tensor, where it has padding after the tokens of the stream; None
            where it has none.

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    sizes = example_sizes(stream)
    pairs = mask.boolean
    batches = []
    for size in group_by_size(np.minimum(sizes, 1), sizes, num_heads, head_dim):
        examples = torch.from_numpy(size.members).to(stream.starts.device)[:, None]  # [tiles, 1]
        key_tokens, _ = _padded_tokens(stream, size.members, size.keys)  # [tiles, keys]
        first = stream.starts[examples]  # [tiles, 1]
        allowed = (
            (key_tokens >= 0)[:, None, None]
            if pairs == full()
            else ragged_mask(pairs, stream, num_heads=num_heads, query_tokens=first, key_tokens=key_tokens)
        )
        batch = TileBatch(examples, key_tokens, allowed, range(num_heads))
        batches.append(scored_batch(batch, mask, stream, stream, num_heads, first))
    return compile_plan(batches, len(sizes), stream.total if padded_length is None else padded_length, num_heads)


def scored_batch(
    batch: TileBatch, mask: Mask, queries: Ragged, keys: Ragged, num_heads: int, query_tokens: Tensor | None = None
) -> TileBatch:
    """Return a batch of tiles with the numbers of a mask's score terms.

    Args:
        batch: The tiles.
        mask: The mask.
        queries: The stream of the queries.
        keys: The stream of the keys; the same object in self-attention.
        num_heads: Number of heads of the model.
        query_tokens: int64 [tiles, queries], indices of the tiles' queries in the stream of the queries, where the
            query tensor holds other tokens than the stream; those of the batch if not given.

    Raises:
        MaskError: A term cannot be evaluated.
    """
    tokens = batch.queries if query_tokens is None else query_tokens
    return replace(batch, scores=ragged_scores(mask.terms, queries, keys, num_heads, batch.heads, tokens, batch.keys))


def _padded_tokens(layout: Ragged, examples: IntArray, padded_length: int) -> tuple[Tensor, bool]:
    """Return the tokens of some examples as padded rows, and whether there is no padding.

    Args:
        layout: The stream.
        examples: int64 [examples], indices of the examples.
        padded_length: Number of positions of a row.

    Returns:
        Indices of tokens in the stream, int64 [examples, padded_length], -1 at padding; and whether none is -1.
    """
    lengths = example_sizes(layout)[examples][:, None]
    position = np.arange(padded_length)
    is_token = position < lengths
    tokens = np.where(is_token, example_starts(layout)[examples][:, None] + position, -1)
    return torch.from_numpy(tokens).to(layout.cu_seqlens.device, non_blocking=True), bool(is_token.all())
