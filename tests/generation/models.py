"""Small encoder-decoders whose texts end after different numbers of tokens, and sources for them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from tests.attention.pretrained.tiny import SEP, VOCABULARY, build, padding, tokens

NAMES = ("T5ForConditionalGeneration", "EncoderDecoderModel")
OTHER_END = 9
LENGTHS = (7, 4, 2, 6, 1, 7)
LONGEST = 16


def writer(name: str, seed: int = 0, end_bonus: float = 1.0, sharpness: float = 1.5) -> PreTrainedModel:
    """A model whose texts vary and end early or late.

    Random decoders say one thing over and over. So their logits, brought to the deviation `sharpness`, are added to
    noise that depends on the last token, and ending becomes more likely from step to step.
    """
    model = build(name, seed)
    noise = torch.randn(VOCABULARY, VOCABULARY, generator=torch.Generator().manual_seed(seed))

    def add_noise(module: nn.Module, args: Any, kwargs: dict[str, Any], outputs: Any) -> None:
        cache, written = kwargs.get("past_key_values"), kwargs["decoder_input_ids"]
        # The cache has taken up the new tokens by now.
        length = written.shape[1] if cache is None else cache.get_seq_length()
        logits = outputs.logits[:, -1].float()
        mixed = logits / logits.std(-1, keepdim=True) + noise[written[:, -1]]
        mixed[:, SEP] += end_bonus + length / 4
        mixed[:, OTHER_END] += end_bonus
        outputs.logits = mixed[:, None] * sharpness

    model.register_forward_hook(add_noise, with_kwargs=True)
    return model


def source(lengths: Sequence[int] = LENGTHS, seed: int = 0) -> dict[str, Tensor]:
    """Texts of these lengths, padded on the right."""
    attention_mask = padding(list(lengths), max(lengths))
    return {"input_ids": tokens(attention_mask, seed), "attention_mask": attention_mask}


def encode(model: Any, inputs: dict[str, Tensor], **features: Any) -> Any:
    """Return the output of the model's encoder."""
    with torch.no_grad():
        return model.get_encoder()(**inputs, **features, return_dict=True)


def rows_of(inputs: dict[str, Tensor], row: int) -> dict[str, Tensor]:
    """One example alone, without its padding."""
    length = int(inputs["attention_mask"][row].sum())
    return {name: tensor[row : row + 1, :length] for name, tensor in inputs.items()}
