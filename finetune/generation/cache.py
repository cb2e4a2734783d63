"""The cache of keys and values in generation, which copies them only as far as the beams of an example differ."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers import Cache, EncoderDecoderCache
from transformers.cache_utils import CacheLayerMixin, DynamicLayer

CHUNK = 32
"""Number of positions by which the tensors of a layer grow, so that they are not copied at each step."""


class GrowingLayer(CacheLayerMixin):  # type: ignore[no-untyped-call]
    """Keys and values of one layer's self-attention, with room for later tokens.

    `keys` and `values` are [rows, heads, capacity, head_dim], of which the first `length` positions are written.
    """

    is_sliding = False
    keys: Any
    values: Any

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.length = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Set dtype and device, and make empty tensors; the arguments are those of the first update."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.keys, self.values = (states[:, :, :0] for states in (key_states, value_states))
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Append the keys and values of new tokens, [rows, heads, new, head_dim].

        Returns:
            The keys and values of all tokens, [rows, heads, length, head_dim].
        """
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        length = self.length + key_states.shape[2]
        if length > self.keys.shape[2]:
            self.keys, self.values = (self._grown(states, length + CHUNK) for states in (self.keys, self.values))
        self.keys[:, :, self.length : length] = key_states
        self.values[:, :, self.length : length] = value_states
        self.length = length
        return self.keys[:, :, :length], self.values[:, :, :length]

    def _grown(self, states: Tensor, capacity: int) -> Tensor:
        """Return a copy of keys or values with room for more positions, [rows, heads, capacity, head_dim]."""
        rows, heads, _, head_dim = states.shape
        grown = states.new_empty(rows, heads, capacity, head_dim)
        grown[:, :, : self.length] = states[:, :, : self.length]
        return grown

    def permute(self, rows: Tensor, settled: int) -> None:
        """Copy row `rows[i]` to row i for every i, from the position `settled` on, in place."""
        for states in (self.keys, self.values):
            # Before `settled`, the rows of an example are equal, so that nothing has to be copied.
            moving = states[:, :, settled : self.length]  # [rows, heads, length - settled, head_dim]
            moving.copy_(moving.index_select(0, rows))

    def select(self, rows: Tensor) -> None:
        """Keep the given rows in the given order; a row can be given several times."""
        self.keys, self.values = (states.index_select(0, rows) for states in (self.keys, self.values))

    def get_seq_length(self) -> int:
        """Return the number of tokens."""
        return self.length

    def get_max_length(self) -> int:
        """Return -1, which means that there is no limit."""
        return -1

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Return the number of keys of a mask, and the position of the first key."""
        return self.length + query_length, 0


class BeamCache(EncoderDecoderCache):
    """The keys and values that a decoder keeps between steps: those of its own tokens, and those of the source.

    Args:
        shares_source: Whether those of the source are kept once for each example, instead of once for each row.
    """

    def __init__(self, shares_source: bool = False) -> None:
        self.shares_source = shares_source
        super().__init__(Cache(layer_class_to_replicate=GrowingLayer), Cache(layer_class_to_replicate=DynamicLayer))

    def permute(self, rows: Tensor, settled: int) -> None:
        """Reorder the beams within each example.

        Args:
            rows: int64 [rows], the former row of each row.
            settled: Number of leading positions in which the beams of each example are equal.
        """
        for layer in _layers(self.self_attention_cache):
            layer.permute(rows, settled)

    def select(self, rows: Tensor, examples: Tensor | None, width: int) -> None:
        """Keep some of the rows.

        Args:
            rows: int64 [new rows], the former row of each row that is kept; a row can be given several times.
            examples: int64 [new examples], the indices of the examples that are kept, ascending; None to keep all.
            width: Number of positions of the source that are kept.
        """
        for layer in _layers(self.self_attention_cache):
            layer.select(rows)
        if self.shares_source and examples is None:
            return
        kept = examples if self.shares_source else rows
        # The source's keys and values are [examples or rows, heads, source length, head_dim].
        for layer in _layers(self.cross_attention_cache):
            layer.keys, layer.values = (
                states[:, :, :width].index_select(0, kept) for states in (layer.keys, layer.values)
            )


def _layers(cache: Cache) -> list[Any]:
    return cache.layers
