"""`Decoder`: layers of self-attention and cross-attention on top of each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from finetune.attention.layers.embedding import Embedding, RelativePositionBias
from finetune.attention.layers.layer import DecoderLayer, LayerConfig
from finetune.attention.layers.stack import LayerMasks, Layout, Stack, layer_masks, padded_rows
from finetune.attention.masks.causal import causal
from finetune.attention.masks.full import full

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Decoder(Stack):
    """A decoder: layers of self-attention, attention to an encoder's output, and feed-forward.

    See arXiv 1706.03762, section 3.1.

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
        self.layers = nn.ModuleList(DecoderLayer(config) for _ in range(num_layers))

    @classmethod
    def from_pretrained(cls, model: PreTrainedModel | str | Path) -> Decoder:
        """Return a decoder with the weights of the decoder of a T5, embeddings included.

        Args:
            model: A model of transformers, or the name or folder of one.

        Raises:
            PretrainedError: The model is not a T5 with a decoder.
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
        """Decode a batch of padded rows whose target tokens are all known, as in training.

        Args:
            inputs: Token ids int64 [batch, tokens], or vectors [batch, tokens, d_model].
            memory: The encoder's output, [batch, source tokens, d_model].
            mask: Who may attend to whom in the target, one mask for all layers or a mask for each. A mask that is
                given is not made causal; `causal()` if not given.
            memory_mask: Who may attend to whom in the source, of the same form; None allows all pairs.
            layout: Where the tokens of the target are: an attention mask [batch, tokens] of 1 and 0, or a layout with
                columns; None if there is no padding.
            memory_layout: Where the tokens of the source are, of the same form.

        Returns:
            [batch, tokens, d_model]; the vectors at padding are arbitrary.

        Raises:
            LayerError: The inputs do not fit the model, or there are more or fewer masks than layers.
            MaskError: A mask cannot be evaluated.
            LayoutError: A layout has padding between the tokens of a row.
        """
        hidden = self._embed(inputs, None)
        rows, memory_rows = padded_rows(layout, hidden), padded_rows(memory_layout, memory)
        bias = self._bias(hidden)
        masks = layer_masks(causal() if mask is None else mask, rows, rows, self.n_head, len(self.layers))
        of_memory = full() if memory_mask is None else memory_mask
        memory_masks = layer_masks(of_memory, rows, memory_rows, self.n_head, len(self.layers))
        for layer, own, cross in zip(self.layers, masks, memory_masks, strict=True):
            hidden = layer(
                hidden,
                memory,
                own.allowed,
                cross.allowed,
                position_bias=own.bias(bias, hidden),
                memory_bias=cross.bias(None, hidden),
            )
        decoded: Tensor = self.final_norm(hidden)
        return decoded
