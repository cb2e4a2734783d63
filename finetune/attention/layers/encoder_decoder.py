"""`EncoderDecoder`: an encoder, and a decoder that attends to its output."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor, nn

from finetune.attention.layers.decoder import Decoder
from finetune.attention.layers.encoder import Encoder
from finetune.attention.layers.stack import Layout
from finetune.attention.program import Program

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class EncoderDecoder(nn.Module):
    """An encoder, and a decoder that attends to its output.

    Args:
        encoder: The encoder.
        decoder: The decoder, of the same d_model.
    """

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    @classmethod
    def from_pretrained(cls, model: PreTrainedModel | str | Path) -> EncoderDecoder:
        """Return an encoder and a decoder with the weights of a T5, embeddings included.

        Encoder and decoder have copies of the embedding that they share in a T5.

        Args:
            model: A model of transformers, or the name or folder of one.

        Raises:
            PretrainedError: The model is not a T5 with a decoder.
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
        """Encode the source, and decode a target whose tokens are all known, as in training.

        Args:
            source: Token ids int64 [batch, source tokens], or vectors [batch, source tokens, d_model].
            target: Token ids int64 [batch, target tokens], or vectors [batch, target tokens, d_model].
            program: The masks of the three sites; full(), causal() and full() if not given.
            source_layout: Where the tokens of the source are: an attention mask [batch, source tokens] of 1 and 0, or a
                layout with columns; None if there is no padding.
            target_layout: Where the tokens of the target are, of the same form.

        Returns:
            The decoder's output, [batch, target tokens, d_model]; the vectors at padding are arbitrary.

        Raises:
            ProgramError: The program does not fit the number of layers.
            LayerError: The inputs do not fit the model.
            MaskError: A mask cannot be evaluated.
            LayoutError: A layout has padding between the tokens of a row.
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
