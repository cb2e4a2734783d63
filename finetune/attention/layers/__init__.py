"""The layers of encoders and decoders from scratch, under masks: the readable form of what pretrained models compute.

Here live the modules, and the conversion of masks that come in another convention. What knows transformers lives in
`pretrained`, kernels in `kernels`; nothing here knows tokenizers, tasks or losses.
"""

from finetune.attention.layers.attention import MaskedMultiHeadAttention
from finetune.attention.layers.conventions import Convention, to_allowed
from finetune.attention.layers.embedding import Embedding, RelativePositionBias
from finetune.attention.layers.errors import LayerError
from finetune.attention.layers.layer import DecoderLayer, EncoderLayer, FeedForward, LayerConfig, Residual
from finetune.attention.layers.stack import Decoder, Encoder, EncoderDecoder

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
