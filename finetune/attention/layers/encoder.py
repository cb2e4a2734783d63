"""`Encoder`: layers of self-attention on top of each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from finetune.attention.layers.embedding import Embedding, RelativePositionBias
from finetune.attention.layers.layer import EncoderLayer, LayerConfig
from finetune.attention.layers.stack import LayerMasks, Layout, Stack, layer_masks, padded_rows
from finetune.attention.masks.full import full

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Encoder(Stack):
    """An encoder: layers of self-attention and feed-forward (arXiv 1706.03762, section 3.1).

    Args:
        config: The configuration of each layer.
        num_layers: Number of layers.
        embedding: Module that makes vectors of token ids; without it the inputs are vectors.
        position_bias: Module whose bias is added to the scores of self-attention in all layers.
        final_norm: Whether the output of the last layer is normalized, with dropout, as goes with `norm_first`.
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
        """Return an encoder with the weights of a BERT or of the encoder of a T5, embeddings included.

        Args:
            model: A model of transformers, or the name or folder of one.

        Raises:
            PretrainedError: The model is neither a BERT nor a T5.
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
        """Encode a batch of padded rows.

        Args:
            inputs: Token ids int64 [batch, tokens], or vectors [batch, tokens, d_model].
            mask: Who may attend to whom in each example, one mask for all layers or a mask for each. The layout
                excludes padding in addition. None allows all pairs.
            layout: Where the tokens are: an attention mask [batch, tokens] of 1 and 0, or a layout with columns; None
                if there is no padding.
            segment_ids: int64 [batch, tokens], for models that have segments.

        Returns:
            [batch, tokens, d_model]; the vectors at padding are arbitrary.

        Raises:
            LayerError: The inputs do not fit the model, or there are more or fewer masks than layers.
            MaskError: A mask cannot be evaluated.
            LayoutError: The layout has padding between the tokens of a row.
        """
        hidden = self._embed(inputs, segment_ids)
        rows = padded_rows(layout, hidden)
        bias = self._bias(hidden)
        masks = layer_masks(full() if mask is None else mask, rows, rows, self.n_head, len(self.layers))
        for layer, own in zip(self.layers, masks, strict=True):
            hidden = layer(hidden, own.allowed, position_bias=own.bias(bias, hidden))
        encoded: Tensor = self.final_norm(hidden)
        return encoded
