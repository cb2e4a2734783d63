"""Embeddings: tokens, positions and segments as vectors, and relative positions as a bias of the scores."""

import math

import torch
from torch import Tensor, nn

from finetune.attention.layers.errors import LayerError


class Embedding(nn.Module):
    """The sum of the vectors of tokens, learned positions and segments, with a norm.

    BERT has all of these (arXiv 1810.04805, section 3.2); T5 has the vectors of tokens only.

    Args:
        vocab_size: Number of token ids.
        d_model: Size of the vectors.
        max_positions: Number of learned positions; 0 for a model that has none.
        num_segments: Number of segments; 0 for a model that has none.
        norm: Module that normalizes the sum; None for a model that has none.
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
            segment_ids: int64 [batch, tokens]; segment 0 for all tokens if not given.

        Returns:
            [batch, tokens, d_model].

        Raises:
            LayerError: There are more tokens than learned positions, or segments are given and the model has none.
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
    """T5's relative position bias: a learned number for each head and bucket of distances.

    (Raffel et al., arXiv 1910.10683, section 2.1.) Half of the buckets stand for a single distance each, the others for
    ranges of distances whose size grows logarithmically up to `max_distance`; the last bucket also has all larger
    distances.

    Args:
        n_head: Number of attention heads.
        num_buckets: Number of buckets of both directions together.
        max_distance: Distance above which all distances are in the last bucket.
        bidirectional: Whether keys after the query have buckets of their own, as in an encoder. In a decoder they are
            masked, and share the bucket of distance 0.
    """

    def __init__(
        self, n_head: int, *, num_buckets: int = 32, max_distance: int = 128, bidirectional: bool = True
    ) -> None:
        super().__init__()
        self.buckets = nn.Embedding(num_buckets, n_head)
        self.max_distance = max_distance
        self.bidirectional = bidirectional

    def forward(self, queries: int, keys: int) -> Tensor:
        """Return the bias of queries and keys whose positions both count from 0.

        Args:
            queries: Number of queries.
            keys: Number of keys.

        Returns:
            [1, heads, queries, keys].
        """
        device = self.buckets.weight.device
        distance = torch.arange(keys, device=device) - torch.arange(queries, device=device)[:, None]
        bias: Tensor = self.buckets(self._bucket(distance))  # [queries, keys, heads]
        return bias.permute(2, 0, 1)[None]

    def _bucket(self, distance: Tensor) -> Tensor:
        """Return the bucket of each distance k - q, int64 of the same shape."""
        count = self.buckets.num_embeddings
        if not self.bidirectional:
            return self._size_bucket((-distance).clamp(min=0), count)
        half = count // 2
        return (distance > 0) * half + self._size_bucket(distance.abs(), half)

    def _size_bucket(self, size: Tensor, count: int) -> Tensor:
        """Return the bucket of each distance of at least 0, among `count` buckets of one direction."""
        exact = count // 2  # the number of buckets that stand for a single distance
        # float32 and the order of operations are those of transformers' T5: otherwise rounding moves bucket boundaries.
        ratio = torch.log(size.clamp(min=1).float() / exact) / math.log(self.max_distance / exact)
        grown = (exact + (ratio * (count - exact)).long()).clamp(max=count - 1)
        return torch.where(size < exact, size, grown)
