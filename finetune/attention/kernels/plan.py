"""The plan of one attention call: index tensors that say which queries meet which keys, and what is multiplied at once.

The score matrix is covered by tiles: some queries of one example with every key that they may attend to. Tiles of
similar sizes are padded to one size and form a batch (`TileBatch`). `compile_plan` cuts batches into chunks that fit
the cache, and numbers the slots of all chunks one after the other; the kernel then only gathers, multiplies and
scatters. README.md of finetune/attention/planning follows an example.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from finetune.attention.kernels.scores import PairScores
from finetune.attention.kernels.slots import SlotIndices, SlotRange, index_slots, slot_range

if TYPE_CHECKING:
    from finetune.attention.kernels.flex import FlexBlocks

CHUNK_WEIGHTS = 2**20
"""Largest number of attention weights of a chunk, or of a group of chunks: 4 MiB of float32, so that they stay in the
cache between the steps of the computation."""
SLOT_WEIGHTS = 64
"""Number of attention weights that take as much memory as one slot for a query or key: a usual head_dim."""


@dataclass(frozen=True, eq=False)
class TileBatch:
    """Tiles of one size and of the same heads, padded to one shape.

    Args:
        queries: int64 [tiles, queries], indices of tokens in the stream of the queries; -1 at padding.
        keys: int64 [tiles, keys], indices of tokens in the stream of the keys; -1 at padding.
        allowed: bool, broadcastable to [tiles, heads, queries, masked keys], True means attend. It masks the last keys
            of each tile; every query of the tile may attend to the keys before them. None where the tiles have no
            padding and every pair is allowed.
        heads: The heads that are computed.
        bias_index: int32 [tiles, queries, keys], the entry of a relative bias table [heads, distances] that each pair
            reads; [1, queries, keys] where it is the same in all tiles; None without a relative bias.
        scores: The numbers of the mask's score terms, whose factors are those of `heads`.
    """

    queries: Tensor
    keys: Tensor
    allowed: Tensor | None
    heads: range
    bias_index: Tensor | None = None
    scores: tuple[PairScores, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of tiles, heads, queries of a tile and keys of a tile."""
        return len(self.queries), len(self.heads), self.queries.shape[1], self.keys.shape[1]


@dataclass(frozen=True, eq=False)
class Chunk:
    """Tiles of one batch, in some of its heads, that are computed by one batched matrix product.

    Args:
        shape: Number of tiles, heads, queries of a tile and keys of a tile.
        heads: The heads of the model that are computed.
        additive: float32, broadcastable to [tiles, heads, queries, masked keys], added to the scores of the last keys:
            0 where attention is allowed and -inf elsewhere, but 0 in rows that would otherwise be -inf alone. None if
            nothing is masked.
        empty: bool, broadcastable to [tiles, heads, queries, 1], the queries that may attend to no key; None if there
            are none.
        bias_index: int32 [tiles, queries, keys], the entry of a relative bias table [heads, distances] that each pair
            reads; [1, queries, keys] where it is the same in all tiles; None without a relative bias.
        shares_bias: Whether all tiles of the batch read the same bias; their chunks then share one `bias_index`.
        scores: The numbers of the mask's score terms, whose factors are those of `heads`.
    """

    shape: tuple[int, int, int, int]
    heads: range
    additive: Tensor | None
    empty: Tensor | None
    bias_index: Tensor | None
    shares_bias: bool
    scores: tuple[PairScores, ...]


@dataclass(frozen=True, eq=False)
class ChunkGroup:
    """Chunks whose attention weights lie in one tensor, so that elementwise operations are done to all at once.

    A batch of short texts has many small chunks, for each of which a call of torch takes longer than its computation.

    Args:
        number: Index of the group in the plan.
        chunks: The chunks, in the order of their weights and slots.
        queries: The slots of the queries of all chunks.
        keys: The slots of the keys of all chunks.
        weight_shapes: For each chunk its number of tiles times heads, of queries, and of keys.
        num_weights: Number of attention weights of all chunks, padding included.
    """

    number: int
    chunks: tuple[Chunk, ...]
    queries: SlotRange
    keys: SlotRange
    weight_shapes: tuple[tuple[int, int, int], ...]
    num_weights: int


@dataclass(frozen=True, eq=False)
class AttentionPlan:
    """Everything about an attention call that does not depend on the values of its queries, keys and values.

    Together the tiles hold every query of every head once, except those that may attend to no key.

    Args:
        batches: The tiles.
        groups: The same tiles cut into chunks, in the order in which they are computed.
        queries: The rows of the queries that the slots of all chunks hold.
        keys: The rows of the keys that the slots of all chunks hold.
        num_heads: Number of attention heads.
        num_weights: Number of attention weights that are computed, padding included.
        largest_chunk: Number of attention weights of the largest chunk.
        flex: Block lists of FlexAttention for the same mask, used in place of the tiles where there is no dropout.
    """

    batches: tuple[TileBatch, ...]
    groups: tuple[ChunkGroup, ...]
    queries: SlotIndices
    keys: SlotIndices
    num_heads: int
    num_weights: int
    largest_chunk: int
    flex: FlexBlocks | None = None


def compile_plan(
    batches: Sequence[TileBatch], num_queries: int, num_keys: int, num_heads: int, flex: FlexBlocks | None = None
) -> AttentionPlan:
    """Cut batches of tiles into chunks, and compute every index tensor that the kernel reads.

    Args:
        batches: Tiles that hold each query of each head at most once, on the device of the call.
        num_queries: Number of tokens of the query tensor.
        num_keys: Number of tokens of the key tensor.
        num_heads: Number of attention heads.
        flex: Block lists of FlexAttention for the same mask, or None.
    """
    chunks: list[Chunk] = []
    query_tokens: list[Tensor] = []
    key_tokens: list[Tensor] = []
    for batch in batches:
        additive, empty = _softmax_masks(batch)
        for tiles, heads in _cuts(batch):
            chunks.append(_chunk(batch, tiles, heads, additive, empty))
            query_tokens.append(batch.queries[tiles])  # [tiles, queries]
            key_tokens.append(batch.keys[tiles])  # [tiles, keys]
    heads_of = [chunk.heads for chunk in chunks]
    queries = index_slots(query_tokens, heads_of, num_queries, num_heads, unique=True)
    keys = index_slots(key_tokens, heads_of, num_keys, num_heads, unique=False)
    num_weights = [math.prod(chunk.shape) for chunk in chunks]
    groups = tuple(_groups(chunks, queries, keys))
    return AttentionPlan(
        tuple(batches), groups, queries, keys, num_heads, sum(num_weights), max(num_weights, default=0), flex
    )


def _softmax_masks(batch: TileBatch) -> tuple[Tensor | None, Tensor | None]:
    """Return the tensors `additive` and `empty` of a batch, which `Chunk` describes."""
    allowed = batch.allowed
    if allowed is None:
        return None, None
    excluded = ~allowed
    empty = None
    # If some keys of the tiles are not masked, every query may attend to them, and none is empty.
    if allowed.shape[-1] == batch.keys.shape[1]:
        has_key = allowed.any(-1, keepdim=True)  # [tiles, heads, queries, 1]
        if not bool(has_key.all()):
            excluded &= has_key  # softmax over -inf alone would be NaN
            is_query = (batch.queries >= 0)[:, None, :, None]
            without_keys = ~has_key & is_query  # padding is not empty: its output is dropped anyway
            empty = without_keys if bool(without_keys.any()) else None
    additive = torch.zeros(excluded.shape, device=excluded.device).masked_fill_(excluded, -torch.inf)
    return additive, empty


def _cuts(batch: TileBatch) -> Iterator[tuple[slice, range]]:
    """Yield the tiles and heads of each chunk: as many as fit the cache, if possible with all heads of a tile."""
    num_tiles, num_heads, num_queries, num_keys = batch.shape
    load = max(1, num_queries * num_keys + SLOT_WEIGHTS * (num_queries + num_keys))  # of one tile in one head
    heads_at_once = min(num_heads, max(1, CHUNK_WEIGHTS // load))
    tiles_at_once = max(1, CHUNK_WEIGHTS // (load * heads_at_once))
    for start in range(0, num_tiles, tiles_at_once):
        tiles = slice(start, min(start + tiles_at_once, num_tiles))
        for first in range(batch.heads.start, batch.heads.stop, heads_at_once):
            yield tiles, range(first, min(first + heads_at_once, batch.heads.stop))


def _chunk(batch: TileBatch, tiles: slice, heads: range, additive: Tensor | None, empty: Tensor | None) -> Chunk:
    """Return the chunk of some tiles and heads of a batch, whose masks are `additive` and `empty`."""
    _, _, num_queries, num_keys = batch.shape
    own_heads = slice(heads.start - batch.heads.start, heads.stop - batch.heads.start)
    index = batch.bias_index
    shares_bias = index is not None and len(index) == 1
    return Chunk(
        shape=(tiles.stop - tiles.start, len(heads), num_queries, num_keys),
        heads=heads,
        additive=_share(additive, tiles, own_heads),
        empty=_share(empty, tiles, own_heads),
        bias_index=index if index is None or shares_bias else index[tiles],
        shares_bias=shares_bias,
        scores=tuple(term.part(tiles, own_heads) for term in batch.scores),
    )


def _share(mask: Tensor | None, tiles: slice, heads: slice) -> Tensor | None:
    """Return some tiles and heads of a mask [tiles or 1, heads or 1, queries, keys]; dimensions of 1 are kept."""
    if mask is None:
        return None
    mask = mask[tiles] if len(mask) > 1 else mask
    return mask[:, heads] if mask.shape[1] > 1 else mask


def _groups(chunks: Sequence[Chunk], queries: SlotIndices, keys: SlotIndices) -> Iterator[ChunkGroup]:
    """Yield groups of neighbouring chunks, with as many chunks as fit the cache, but at least one."""
    query_start = key_start = 0
    for number, members in enumerate(_neighbours(chunks)):
        shapes = [chunk.shape for chunk in members]
        query_range = slot_range(queries, query_start, [(t * h, q) for t, h, q, _ in shapes])
        key_range = slot_range(keys, key_start, [(t * h, k) for t, h, _, k in shapes])
        query_start, key_start = query_range.slots.stop, key_range.slots.stop
        weight_shapes = tuple((t * h, q, k) for t, h, q, k in shapes)
        yield ChunkGroup(number, members, query_range, key_range, weight_shapes, sum(map(math.prod, weight_shapes)))


def _neighbours(chunks: Iterable[Chunk]) -> list[tuple[Chunk, ...]]:
    """Return the chunks of each group."""
    groups: list[list[Chunk]] = []
    num_weights = 0
    for chunk in chunks:
        own = math.prod(chunk.shape)
        num_weights += own
        if not groups or num_weights > CHUNK_WEIGHTS:
            groups.append([])
            num_weights = own
        groups[-1].append(chunk)
    return [tuple(group) for group in groups]
