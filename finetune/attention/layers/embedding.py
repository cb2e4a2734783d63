"""What goes in: tokens, positions and segments as vectors, and positions as a bias of the scores."""

import math

import torch
from torch import Tensor, nn

from finetune.attention.layers.errors import LayerError


class Embedding(nn.Module):
    """Token vectors, with learned positions, segments and a norm where the model has them.

    BERT has all of them (arXiv 1810.04805, section 3.2), T5 has tokens alone.

    Args:
        vocab_size: Number of token ids.
        d_model: Width.
        max_positions: Number of learned positions; 0 for none.
        num_segments: Number of segments; 0 for none.
        norm: Normalises the sum; none if not given.
        dropout: Probability with which an element is dropped in training.
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        *,
        max_positions: int = 0,
        num_segments: int = 0,
        norm: nn.Module | None = None,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, d_model)
        self.positions = nn.Embedding(max_positions, d_model) if max_positions else None
        self.segments = nn.Embedding(num_segments, d_model) if num_segments else None
        self.norm = nn.Identity() if norm is None else norm
        self.dropout = nn.Dropout(dropout)

    def forward(self, input_ids: Tensor, segment_ids: Tensor | None = None) -> Tensor:
        """Embed tokens.

        Args:
            input_ids: int64 [batch, tokens].
            segment_ids: int64 [batch, tokens]; all 0 if not given.

        Returns:
            [batch, tokens, d_model].

        Raises:
            LayerError: There are more tokens than learned positions, or segments are given and not known.
        """
        if segment_ids is not None and self.segments is None:
            raise LayerError("segment_ids are given, but the model has no segments")
        vectors = self.tokens(input_ids)
        if self.positions is not None:
            vectors = vectors + self.positions(self._position_ids(input_ids))
        if self.segments is not None:
            vectors = vectors + self.segments(torch.zeros_like(input_ids) if segment_ids is None else segment_ids)
        embedded: Tensor = self.dropout(self.norm(vectors))
        return embedded

    def _position_ids(self, input_ids: Tensor) -> Tensor:
        length = input_ids.shape[1]
        if self.positions is not None and length > self.positions.num_embeddings:
            raise LayerError(f"the model has {self.positions.num_embeddings} positions, got {length} tokens")
        return torch.arange(length, device=input_ids.device)


class RelativePositionBias(nn.Module):
    """T5's learned bias for each head and distance, distances gathered in buckets (arXiv 1910.10683, section 2.1).

    Half of the buckets stand for one distance each, the others for ranges that grow logarithmically up to
    `max_distance`, and the last for all that lies beyond.

    Args:
        n_head: Attention heads.
        num_buckets: Buckets, both directions together.
        max_distance: Where the last bucket begins.
        bidirectional: Whether keys after the query have buckets of their own; in a decoder they have none.
    """

    def __init__(
        self, n_head: int, *, num_buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
    ) -> None:
        super().__init__()
        self.buckets = nn.Embedding(num_buckets, n_head)
        self.max_distance = max_distance
        self.bidirectional = bidirectional

    def forward(self, queries: int, keys: int) -> Tensor:
        """The bias [1, heads, queries, keys] of queries and keys that both count from 0."""
        device = self.buckets.weight.device
        distance = torch.arange(keys, device=device) - torch.arange(queries, device=device)[:, None]
        bias: Tensor = self.buckets(self._bucket(distance))  # [queries, keys, heads]
        return bias.permute(2, 0, 1)[None]

    def _bucket(self, distance: Tensor) -> Tensor:
        """The bucket of k - q, int64 of the same shape."""
        count = self.buckets.num_embeddings
        if not self.bidirectional:
            return self._size_bucket((-distance).clamp(min=0), count)
        half = count // 2
        return (distance > 0) * half + self._size_bucket(distance.abs(), half)

    def _size_bucket(self, size: Tensor, count: int) -> Tensor:
        exact = count // 2
        # float32 and the order of operations are T5's: a bucket's edge must not move by rounding.
        ratio = torch.log(size.clamp(min=1).float() / exact) / math.log(self.max_distance / exact)
        grown = (exact + (ratio * (count - exact)).long()).clamp(max=count - 1)
        return torch.where(size < exact, size, grown)
