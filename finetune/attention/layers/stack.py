"""`Stack`: the common part of encoders and decoders, and the masks of their layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from finetune.attention.kernels.scores import PairScores, with_scores
from finetune.attention.layers.embedding import Embedding, RelativePositionBias
from finetune.attention.layers.errors import LayerError
from finetune.attention.layers.layer import LayerConfig
from finetune.attention.layout import Padded, padded_mask, padded_scores
from finetune.attention.masks.base import Mask

LayerMasks = Mask | Tensor | Sequence[Mask]
"""One mask for all layers, or a mask for each layer. A tensor is bool, broadcastable to [batch, heads, queries, keys],
and is the mask of all layers."""

Layout = Tensor | Padded | None
"""Where the tokens are in padded rows: an attention mask [batch, padded_length] of 1 and 0, or a layout with columns
that masks read. None: no row has padding."""


class Stack(nn.Module):
    """The base class of `Encoder` and `Decoder`: embedding, relative position bias, and the norm after the last layer.

    Args:
        config: The configuration of each layer.
        embedding: Module that makes vectors of token ids; without it the inputs are vectors.
        position_bias: Module whose bias is added to the scores of self-attention in all layers.
        final_norm: Whether the output of the last layer is normalized, with dropout, as goes with `norm_first`.
    """

    def __init__(
        self,
        config: LayerConfig,
        *,
        embedding: Embedding | None = None,
        position_bias: RelativePositionBias | None = None,
        final_norm: bool = False,
    ) -> None:
        super().__init__()
        self.n_head = config.n_head
        self.embedding = embedding
        self.position_bias = position_bias
        self.final_norm = nn.Sequential(config.make_norm(), nn.Dropout(config.dropout)) if final_norm else nn.Identity()

    def _embed(self, inputs: Tensor, segment_ids: Tensor | None) -> Tensor:
        """Return vectors [batch, tokens, d_model] of token ids; inputs of three dimensions are vectors already."""
        if inputs.ndim == 3:
            return inputs
        if self.embedding is None:
            raise LayerError(
                "a stack without an embedding takes vectors [batch, tokens, d_model] as inputs, got "
                f"{list(inputs.shape)}; give token ids to a stack with an Embedding"
            )
        embedded: Tensor = self.embedding(inputs, segment_ids)
        return embedded

    def _bias(self, hidden: Tensor) -> Tensor | None:
        """Return the relative position bias of self-attention, [1, heads, tokens, tokens]; None without one."""
        return None if self.position_bias is None else self.position_bias(hidden.shape[1], hidden.shape[1])


def padded_rows(layout: Layout, hidden: Tensor) -> Padded:
    """Return the layout of rows.

    Args:
        layout: Where the tokens are; None if no row has padding.
        hidden: [batch, padded_length, d_model].

    Raises:
        LayoutError: The attention mask holds other numbers than 0 and 1, or has padding between the tokens of a row.
    """
    if isinstance(layout, Padded):
        return layout
    if layout is None:
        layout = torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
    return Padded.from_attention_mask(layout)


class LayerMask(NamedTuple):
    """The mask of a layer in padded rows.

    Args:
        allowed: bool [batch, heads or 1, queries, keys], False at padding.
        scores: The numbers of the mask's score terms.
    """

    allowed: Tensor
    scores: tuple[PairScores, ...] = ()

    def bias(self, position_bias: Tensor | None, hidden: Tensor) -> Tensor | None:
        """Return what is added to the scaled scores, broadcastable to [batch, heads, queries, keys]; None for nothing.

        Args:
            position_bias: The relative position bias, or None.
            hidden: The vectors of the queries.
        """
        return with_scores(position_bias, self.scores, hidden.dtype)


def layer_masks(masks: LayerMasks, queries: Padded, keys: Padded, n_head: int, num_layers: int) -> list[LayerMask]:
    """Evaluate the mask of each layer; equal masks are evaluated once.

    Args:
        masks: One mask for all layers, or a mask for each layer.
        queries: The rows of the queries.
        keys: The rows of the keys; the same object in self-attention.
        n_head: Number of attention heads.
        num_layers: Number of layers.

    Raises:
        LayerError: There are more or fewer masks than layers.
        MaskError: A mask cannot be evaluated.
    """
    if isinstance(masks, Tensor):
        valid = queries.valid[:, None, :, None] & keys.valid[:, None, None, :]
        return [LayerMask(masks & valid)] * num_layers
    each = [masks] * num_layers if isinstance(masks, Mask) else list(masks)
    if len(each) != num_layers:
        raise LayerError(f"there are {num_layers} layers, got {len(each)} masks")
    other = None if keys is queries else keys
    evaluated = {
        mask: LayerMask(
            padded_mask(mask.boolean, queries, other, num_heads=n_head),
            padded_scores(mask, queries, other, num_heads=n_head),
        )
        for mask in dict.fromkeys(each)
    }
    return [evaluated[mask] for mask in each]
