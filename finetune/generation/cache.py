"""Keys and values of the tokens written so far, kept where they are as far as beams stay where they are."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import Cache, EncoderDecoderCache
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

CHUNK = 32
"""Columns by which a layer grows."""


class GrowingLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer's self-attention, with room for tokens to come.

    `keys` and `values` are [rows, heads, columns, head_dim], of which the first `length` columns are written.
    """

    is_sliding = False
    keys: Any
    values: Any

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Make room; the arguments are those of the first update."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = (states[:, :, :0] for states in (key_states, value_states))
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write the keys and values [rows, heads, new, head_dim] of new tokens; gives those of all tokens."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.length + key_states.shape[2]
        if length > self.keys.shape[2]:
            self.keys, self.values = (self._grown(states, length + CHUNK) for states in (self.keys, self.values))
        self.keys[:, :, self.length : length] = key_states
        self.values[:, :, self.length : length] = value_states
        self.length = length
        return self.keys[:, :, :length], self.values[:, :, :length]

    def _grown(self, states: Tensor, columns: int) -> Tensor:
        rows, heads, _, head_dim = states.shape
        grown = states.new_empty(rows, heads, columns, head_dim)
        grown[:, :, : self.length] = states[:, :, : self.length]
        return grown

    def permute(self, rows: Tensor, settled: int) -> None:
        """Put the tokens of row `rows[i]` into row i, from the column `settled` on, in place."""
        for states in (self.keys, self.values):
            moving = states[:, :, settled : self.length]
            moving.copy_(moving.index_select(0, rows))

    def select(self, rows: Tensor) -> None:
        """Keep the rows `rows`, in that order, as often as they are named."""
        self.keys, self.values = (states.index_select(0, rows) for states in (self.keys, self.values))

    def get_seq_length(self) -> int:
        """Number of tokens."""
        return self.length

    def get_max_length(self) -> int:
        """No limit."""
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Keys of a mask, and the first one's position."""
        return self.length + query_length, 0


class BeamCache(EncoderDecoderCache):
    """What a decoder keeps between steps: its own tokens, and the source as its layers see it.

    Args:
        shares_source: The source is kept once for each example, not once for each row.
    """

    def __init__(self, shares_source: bool = False) -> None:
        self.shares_source = shares_source
        super().__init__(Cache(layer_class_to_replicate=GrowingLayer), Cache(layer_class_to_replicate=DynamicLayer))

    def permute(self, rows: Tensor, settled: int) -> None:
        """Let beams of the same example change places.

        Args:
            rows: int64 [rows], the row before of each row now.
            settled: Leading columns in which the beams of each example are alike.
        """
        for layer in _layers(self.self_attention_cache):
            layer.permute(rows, settled)

    def select(self, rows: Tensor, examples: Tensor | None, width: int) -> None:
        """Keep some rows.

        Args:
            rows: int64 [rows now], the row before of each row now.
            examples: int64, those of them among the examples before, in order; None where all stay.
            width: Columns of the source that are kept.
        """
        for layer in _layers(self.self_attention_cache):
            layer.select(rows)
        if self.shares_source and examples is None:
            return
        kept = examples if self.shares_source else rows
        for layer in _layers(self.cross_attention_cache):
            layer.keys, layer.values = (
                states[:, :, :width].index_select(0, kept) for states in (layer.keys, layer.values)
            )


def _layers(cache: Cache) -> list[Any]:
    return cache.layers
