"""Layers on top of each other: `Encoder`, `Decoder`, and both together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from finetune.attention.layers.embedding import Embedding, RelativePositionBias
from finetune.attention.layers.errors import LayerError
from finetune.attention.layers.layer import DecoderLayer, EncoderLayer, LayerConfig
from finetune.attention.layout import Padded, padded_mask
from finetune.attention.masks.base import Mask
from finetune.attention.masks.causal import causal
from finetune.attention.masks.full import full
from finetune.attention.program import Program

if TYPE_CHECKING:
    from transformers import PreTrainedModel

LayerMasks = Mask | Tensor | Sequence[Mask]
"""One mask for all layers, or one a layer. A tensor is bool, broadcastable to [batch, heads, queries, keys]."""

Layout = Tensor | Padded | None
"""Where tokens are in rows: an attention mask [batch, width] of 1 and 0, or a layout with columns for the masks that
read them. None: every row is full."""


class Stack(nn.Module):
    """What encoder and decoder share: embedding, norm at the end, bias by distance.

    Args:
        config: What each layer is made of.
        embedding: Makes vectors of token ids; without it vectors go in.
        position_bias: Added to the scores of self-attention in all layers.
        final_norm: Whether what the last layer gives is normalised, and dropped out, as goes with `norm_first`.
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
        if inputs.ndim == 3:
            return inputs
        if self.embedding is None:
            raise LayerError(f"without an embedding, vectors [batch, tokens, d_model] go in, got {list(inputs.shape)}")
        embedded: Tensor = self.embedding(inputs, segment_ids)
        return embedded

    def _bias(self, hidden: Tensor) -> Tensor | None:
        return None if self.position_bias is None else self.position_bias(hidden.shape[1], hidden.shape[1])


class Encoder(Stack):
    """Layers of self-attention and feed-forward.

    Args:
        config: What each layer is made of.
        num_layers: How many.
        embedding: As of Stack, like all that follow.
        position_bias: See there.
        final_norm: See there.
    """

    def __init__(
        self,
        config: LayerConfig,
        num_layers: int,
        *,
        embedding: Embedding | None = None,
        position_bias: RelativePositionBias | None = None,
        final_norm: bool = False,
    ) -> None:
        super().__init__(config, embedding=embedding, position_bias=position_bias, final_norm=final_norm)
        self.layers = nn.ModuleList(EncoderLayer(config) for _ in range(num_layers))

    @classmethod
    def from_pretrained(cls, model: PreTrainedModel | str | Path) -> Encoder:
        """An encoder with the weights of a BERT, or of a T5's encoder, embeddings included.

        Args:
            model: A model of transformers, or the name or folder of one.

        Raises:
            PretrainedError: It is neither a BERT nor a T5.
        """
        from finetune.attention.pretrained.weights import load_stack

        return load_stack(cls, model, is_decoder=False)

    def forward(
        self,
        inputs: Tensor,
        mask: LayerMasks | None = None,
        *,
        layout: Layout = None,
        segment_ids: Tensor | None = None,
    ) -> Tensor:
        """Encode.

        Args:
            inputs: Token ids int64 [batch, tokens], or vectors [batch, tokens, d_model].
            mask: Who may attend to whom in each example; padding is excluded by the layout. None allows all.
            layout: Where the tokens are.
            segment_ids: int64 [batch, tokens], for models that have segments.

        Returns:
            [batch, tokens, d_model]; what stands at padding means nothing.

        Raises:
            LayerError: The inputs do not fit the model, or the masks the number of layers.
            MaskError: A mask cannot be evaluated.
            LayoutError: The layout has padding between tokens.
        """
        hidden = self._embed(inputs, segment_ids)
        rows = _rows(layout, hidden)
        bias = self._bias(hidden)
        masks = _bound(full() if mask is None else mask, rows, rows, self.n_head, len(self.layers))
        for layer, allowed in zip(self.layers, masks, strict=True):
            hidden = layer(hidden, allowed, position_bias=bias)
        encoded: Tensor = self.final_norm(hidden)
        return encoded


class Decoder(Stack):
    """Layers of self-attention, attention to an encoder's output, and feed-forward.

    Args:
        config: What each layer is made of.
        num_layers: How many.
        embedding: As of Stack, like all that follow.
        position_bias: See there.
        final_norm: See there.
    """

    def __init__(
        self,
        config: LayerConfig,
        num_layers: int,
        *,
        embedding: Embedding | None = None,
        position_bias: RelativePositionBias | None = None,
        final_norm: bool = False,
    ) -> None:
        super().__init__(config, embedding=embedding, position_bias=position_bias, final_norm=final_norm)
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(num_layers))

    @classmethod
    def from_pretrained(cls, model: PreTrainedModel | str | Path) -> Decoder:
        """A decoder with the weights of a T5's, embeddings included.

        Args:
            model: A model of transformers, or the name or folder of one.

        Raises:
            PretrainedError: It is not a T5 with a decoder.
        """
        from finetune.attention.pretrained.weights import load_stack

        return load_stack(cls, model, is_decoder=True)

    def forward(
        self,
        inputs: Tensor,
        memory: Tensor,
        mask: LayerMasks | None = None,
        memory_mask: LayerMasks | None = None,
        *,
        layout: Layout = None,
        memory_layout: Layout = None,
    ) -> Tensor:
        """Decode with all targets known, as in training.

        Args:
            inputs: Token ids int64 [batch, tokens], or vectors [batch, tokens, d_model].
            memory: The encoder's output [batch, source tokens, d_model].
            mask: Who may attend to whom in the target, taken as it stands; `causal()` if not given.
            memory_mask: Who may attend to whom in the source; None allows all.
            layout: Where the target's tokens are.
            memory_layout: Where the source's tokens are.

        Returns:
            [batch, tokens, d_model]; what stands at padding means nothing.

        Raises:
            LayerError: As of Encoder.
            MaskError: Likewise.
            LayoutError: Likewise.
        """
        hidden = self._embed(inputs, None)
        rows, memory_rows = _rows(layout, hidden), _rows(memory_layout, memory)
        bias = self._bias(hidden)
        masks = _bound(causal() if mask is None else mask, rows, rows, self.n_head, len(self.layers))
        cross = full() if memory_mask is None else memory_mask
        memory_masks = _bound(cross, rows, memory_rows, self.n_head, len(self.layers))
        for layer, allowed, memory_allowed in zip(self.layers, masks, memory_masks, strict=True):
            hidden = layer(hidden, memory, allowed, memory_allowed, position_bias=bias)
        decoded: Tensor = self.final_norm(hidden)
        return decoded


class EncoderDecoder(nn.Module):
    """An encoder, and a decoder that attends to its output."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    @classmethod
    def from_pretrained(cls, model: PreTrainedModel | str | Path) -> EncoderDecoder:
        """Both halves of a T5, embeddings included; the halves' embeddings are copies of each other.

        Args:
            model: A model of transformers, or the name or folder of one.

        Raises:
            PretrainedError: It is not a T5 with a decoder.
        """
        from finetune.attention.pretrained.weights import load_encoder_decoder_model

        loaded = load_encoder_decoder_model(model)
        return cls(Encoder.from_pretrained(loaded), Decoder.from_pretrained(loaded))

    def forward(
        self,
        source: Tensor,
        target: Tensor,
        program: Program | None = None,
        *,
        source_layout: Layout = None,
        target_layout: Layout = None,
    ) -> Tensor:
        """The decoder's output [batch, target tokens, d_model], with all targets known, as in training.

        Args:
            source: Token ids int64 [batch, source tokens], or vectors [batch, source tokens, d_model].
            target: The same of the target.
            program: The masks of the three sites; full, causal, full if not given.
            source_layout: Where the source's tokens are.
            target_layout: Where the target's tokens are.

        Raises:
            ProgramError: The program does not fit the layers.
            LayerError: As of Encoder, like all that follow.
            MaskError: See there.
            LayoutError: See there.
        """
        program = Program() if program is None else program
        encoder_layers, decoder_layers = len(self.encoder.layers), len(self.decoder.layers)
        memory = self.encoder(source, program.by_layer("encoder", encoder_layers), layout=source_layout)
        decoded: Tensor = self.decoder(
            target,
            memory,
            program.by_layer("decoder", decoder_layers),
            program.by_layer("cross", decoder_layers),
            layout=target_layout,
            memory_layout=source_layout,
        )
        return decoded


def _rows(layout: Layout, hidden: Tensor) -> Padded:
    if isinstance(layout, Padded):
        return layout
    if layout is None:
        layout = torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
    return Padded.from_attention_mask(layout)


def _bound(masks: LayerMasks, queries: Padded, keys: Padded, n_head: int, num_layers: int) -> list[Tensor]:
    """The mask of each layer, bool [batch, heads, queries, keys]; equal masks are evaluated once."""
    if isinstance(masks, Tensor):
        valid = queries.valid[:, None, :, None] & keys.valid[:, None, None, :]
        return [masks & valid] * num_layers
    each = [masks] * num_layers if isinstance(masks, Mask) else list(masks)
    if len(each) != num_layers:
        raise LayerError(f"there are {num_layers} layers, got {len(each)} masks")
    other = None if keys is queries else keys
    evaluated = {mask: padded_mask(mask, queries, other, num_heads=n_head) for mask in dict.fromkeys(each)}
    return [evaluated[mask] for mask in each]
