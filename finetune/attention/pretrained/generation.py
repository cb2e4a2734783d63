"""Text generation by transformers' `generate` under masks that read features of the source."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.families import transformers_model
from finetune.attention.pretrained.tokens import BatchFeatures

ENCODER_INPUTS = {"input_ids", "inputs_embeds", "token_type_ids"}
"""Arguments that the encoder alone reads."""


def generate(model: nn.Module, *, mask_features: BatchFeatures | None = None, **inputs: Any) -> Any:
    """Call `model.generate(**inputs)` with features of the source for the masks, which `generate` does not accept.

    The encoder is run first, with the features; its output carries what the decoder's masks read of the source.

    Args:
        model: An encoder-decoder to which masks were applied; it may be wrapped.
        mask_features: Token columns [batch, tokens] and values [batch] of the source, by name; None for none.
        inputs: Arguments of `generate`. With `mask_features`, `attention_mask` must be among them.

    Returns:
        The return value of `generate`.

    Raises:
        PretrainedError: Features are given without an attention mask, or have another shape than the source.
    """
    inner: Any = transformers_model(model)
    if mask_features is None:
        return inner.generate(**inputs)
    if inputs.get("attention_mask") is None:
        raise PretrainedError("generate needs the attention_mask where mask_features are given")
    source = {name: inputs.pop(name) for name in ENCODER_INPUTS & inputs.keys()}
    with torch.no_grad():
        encoded = inner.get_encoder()(
            **source, attention_mask=inputs["attention_mask"], mask_features=mask_features, return_dict=True
        )
    return inner.generate(encoder_outputs=encoded, **inputs)
