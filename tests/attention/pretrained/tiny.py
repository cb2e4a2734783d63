"""Pretrained architectures in small, with random weights that are far from zero, and batches for them."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertLMHeadModel,
    BertModel,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    PreTrainedModel,
    T5Config,
    T5EncoderModel,
    T5ForConditionalGeneration,
    T5ForSequenceClassification,
    T5ForTokenClassification,
)

LAYERS, HEADS, VOCABULARY, LABELS = 2, 4, 40, 3
PAD, CLS, SEP, START = 0, 2, 1, 3
SOURCE, TARGET = 7, 5
BERT = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 48,
    "max_position_embeddings": 24,
    "num_labels": LABELS,
    "pad_token_id": PAD,
    "initializer_range": 0.3,
}
T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "d_kv": 6,
    "d_ff": 48,
    "num_layers": LAYERS,
    "num_heads": HEADS,
    "num_labels": LABELS,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "initializer_factor": 1.0,
    "pad_token_id": PAD,
    "eos_token_id": SEP,
    "decoder_start_token_id": PAD,
}


def bert_config(**changes: Any) -> BertConfig:
    return BertConfig(**BERT | changes)


def t5_config(**changes: Any) -> T5Config:
    return T5Config(**T5 | changes)


def bert_pair() -> EncoderDecoderModel:
    """An encoder-decoder of two BERTs."""
    config = EncoderDecoderConfig.from_encoder_decoder_configs(
        bert_config(), bert_config(), pad_token_id=PAD, decoder_start_token_id=START, eos_token_id=SEP
    )
    halves = {"encoder": BertModel(config.encoder), "decoder": BertLMHeadModel(config.decoder)}
    return EncoderDecoderModel(config=config, **halves)


MODELS: Mapping[str, Callable[[], PreTrainedModel]] = {
    "BertModel": lambda: BertModel(bert_config()),
    "BertForSequenceClassification": lambda: BertForSequenceClassification(bert_config()),
    "BertForTokenClassification": lambda: BertForTokenClassification(bert_config()),
    "T5EncoderModel": lambda: T5EncoderModel(t5_config()),
    "T5ForConditionalGeneration": lambda: T5ForConditionalGeneration(t5_config()),
    "gated T5ForConditionalGeneration": lambda: T5ForConditionalGeneration(
        t5_config(feed_forward_proj="gated-gelu", tie_word_embeddings=False)
    ),
    "T5ForSequenceClassification": lambda: T5ForSequenceClassification(t5_config()),
    "T5ForTokenClassification": lambda: T5ForTokenClassification(t5_config()),
    "EncoderDecoderModel": bert_pair,
}
"""Every class of the toolkit."""


def build(name: str, seed: int = 0) -> PreTrainedModel:
    """A model in evaluation mode; equal names and seeds give equal weights."""
    torch.manual_seed(seed)
    model: PreTrainedModel = MODELS[name]().eval()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(torch.randn_like(parameter) * 0.2)  # biases and norms, which start at 0 and 1
    return model


def padding(lengths: list[int], width: int, side: str = "right") -> Tensor:
    """int64 [batch, width], 1 at tokens."""
    columns = torch.arange(width)
    rows = torch.tensor(lengths)[:, None]
    return (columns >= width - rows if side == "left" else columns < rows).long()


def tokens(attention_mask: Tensor, seed: int = 0) -> Tensor:
    """Random ids, the pad token at padding and one closing token an example."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(START + 1, VOCABULARY, attention_mask.shape, generator=generator)
    last = attention_mask.cumsum(1) == attention_mask.sum(1, keepdim=True)
    ids = ids.masked_fill(last & (attention_mask == 1), SEP)
    return ids.masked_fill(attention_mask == 0, PAD)


def batch(name: str, side: str = "right", lengths: tuple[int, int] = (SOURCE, 4)) -> dict[str, Tensor]:
    """What a class of the toolkit takes in training."""
    attention_mask = padding(list(lengths), SOURCE, side)
    inputs = {"input_ids": tokens(attention_mask), "attention_mask": attention_mask}
    if name.endswith("SequenceClassification"):
        return inputs | {"labels": torch.tensor([0, LABELS - 1])}
    if name.endswith("TokenClassification"):
        labels = inputs["input_ids"] % LABELS
        return inputs | {"labels": labels.masked_fill(attention_mask == 0, -100)}
    if name.endswith(("ConditionalGeneration", "EncoderDecoderModel")):
        target = padding([TARGET, 3], TARGET)
        labels = tokens(target, seed=1).masked_fill(target == 0, -100)
        return inputs | {"labels": labels}
    return inputs


def loss_of(outputs: Any, attention_mask: Tensor) -> Tensor:
    """The model's loss, or one made of its hidden states at tokens."""
    if outputs.get("loss") is not None:
        loss: Tensor = outputs.loss
        return loss
    return outputs.last_hidden_state[attention_mask == 1].square().mean()  # type: ignore[no-any-return]


def gradients(model: PreTrainedModel) -> dict[str, Tensor]:
    """The gradient of each parameter that has one."""
    return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
