"""Layers of encoders and decoders from scratch, with masks: a readable form of what pretrained models compute.

This package has the modules, and the conversion of masks of other conventions. The code that depends on transformers is
in `pretrained`, and the kernels are in `kernels`.
"""

from finetune.attention.layers.attention import MaskedMultiHeadAttention
from finetune.attention.layers.conventions import Convention, to_allowed
from finetune.attention.layers.decoder import Decoder
from finetune.attention.layers.embedding import Embedding, RelativePositionBias
from finetune.attention.layers.encoder import Encoder
from finetune.attention.layers.encoder_decoder import EncoderDecoder
from finetune.attention.layers.errors import LayerError
from finetune.attention.layers.layer import DecoderLayer, EncoderLayer, FeedForward, LayerConfig, Residual

__all__ = [
    "Convention",
    "Decoder",
    "DecoderLayer",
    "Embedding",
    "Encoder",
    "EncoderDecoder",
    "EncoderLayer",
    "FeedForward",
    "LayerConfig",
    "LayerError",
    "MaskedMultiHeadAttention",
    "RelativePositionBias",
    "Residual",
    "to_allowed",
]
