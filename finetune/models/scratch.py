"""Models from random weights."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import psutil
from transformers import (
    BertConfig,
    EncoderDecoderConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5Config,
)

from finetune import recipe
from finetune.errors import UserError
from finetune.models.configuration import configure, set_dropout
from finetune.models.families import Head
from finetune.models.heads import auto_class, finalize_model, rescale_t5_token_head


@dataclass(frozen=True)
class ModelSize:
    """The sizes of a transformer, by the names of the keys of `model.scratch`."""

    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int

    def num_weights(self, vocab_size: int) -> int:
        """Return about how many weights an encoder has: matrices of attention and feed-forward, and embeddings."""
        of_layer = 4 * self.hidden_size**2 + 2 * self.hidden_size * self.intermediate_size
        return self.num_layers * of_layer + vocab_size * self.hidden_size


SIZES = {
    "tiny": ModelSize(hidden_size=128, num_layers=2, num_heads=2, intermediate_size=512),
    "mini": ModelSize(hidden_size=256, num_layers=4, num_heads=4, intermediate_size=1024),
    "small": ModelSize(hidden_size=512, num_layers=6, num_heads=8, intermediate_size=2048),
    "base": ModelSize(hidden_size=768, num_layers=12, num_heads=12, intermediate_size=3072),
}
"""The sizes of the BERT miniatures (Turc et al. 2019), whose head_dim is 64; `small` has 6 layers, as t5-small."""


def new_model(
    scratch: recipe.Scratch,
    head: Head,
    tokenizer: PreTrainedTokenizerBase,
    labels: Sequence[str] | None,
    dropout: float | None,
    problem_type: str | None = None,
) -> PreTrainedModel:
    """Return the model that `scratch` describes, with weights drawn from PyTorch's random generator.

    Args:
        scratch: The architecture and the size.
        head: The name of the head.
        tokenizer: The tokenizer, whose vocabulary the model gets.
        labels: The classes in order; None for text to text.
        dropout: The dropout probability, in place of `scratch.dropout` where given.
        problem_type: The `problem_type` of transformers for text classification; one class where not given.

    Raises:
        UserError: hidden_size is not a multiple of num_heads, or the weights do not fit into memory.
    """
    _check_memory(resolve_size(scratch), len(tokenizer))
    config = scratch_config(scratch, head, tokenizer)
    configure(config, head, tokenizer, labels, problem_type)
    if dropout is not None:
        set_dropout(config, dropout)
    made: PreTrainedModel = auto_class(head).from_config(config)
    rescale_t5_token_head(made)
    return finalize_model(made)


def scratch_config(scratch: recipe.Scratch, head: Head, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """Return the configuration of a model from scratch, for the vocabulary of `tokenizer`.

    Raises:
        UserError: hidden_size is not a multiple of num_heads.
    """
    size = resolve_size(scratch)
    if scratch.architecture == "t5":
        return _t5_config(scratch, size, tokenizer)
    if recipe.find_head(head).writes_text:
        encoder, decoder = (_bert_config(scratch, size, tokenizer) for _ in range(2))
        return EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, vocab_size=len(tokenizer))
    return _bert_config(scratch, size, tokenizer)


def resolve_size(scratch: recipe.Scratch) -> ModelSize:
    """Return the named size, with the sizes that `scratch` gives one by one in place of its own.

    Raises:
        UserError: hidden_size is not a multiple of num_heads.
    """
    given = {field.name: getattr(scratch, field.name) for field in fields(ModelSize)}
    size = replace(SIZES[scratch.size], **{name: value for name, value in given.items() if value is not None})
    if size.hidden_size % size.num_heads:
        raise UserError(
            "the model's hidden_size cannot be divided evenly among its heads",
            expected="a hidden_size that is a multiple of num_heads",
            found=f"hidden_size {size.hidden_size}, num_heads {size.num_heads}",
            where="model.scratch",
            fix=f"model.scratch.hidden_size={-(-size.hidden_size // size.num_heads) * size.num_heads}",
        )
    return size


def _check_memory(size: ModelSize, vocab_size: int) -> None:
    """Raise an error where the weights, in float32, need more than all of the machine's memory."""
    needed, memory = 4 * size.num_weights(vocab_size), psutil.virtual_memory().total
    if needed > memory:
        raise UserError(
            "the model is larger than this machine's memory",
            expected=f"weights of at most {memory / 2**30:,.0f} GiB in float32",
            found=f"about {needed / 2**30:,.0f} GiB",
            where="model.scratch",
            fix="a smaller hidden_size, intermediate_size or num_layers, or model.scratch.size=base",
        )


def _t5_config(scratch: recipe.Scratch, size: ModelSize, tokenizer: PreTrainedTokenizerBase) -> T5Config:
    # Embeddings keep transformers' standard deviation of 1, with which the first loss is log(vocab_size) + 0.6. With a
    # standard deviation of hidden_size**-0.5 it is log(vocab_size), but the model learns more slowly, with Adafactor
    # and with AdamW.
    return T5Config(
        vocab_size=len(tokenizer),
        d_model=size.hidden_size,
        d_kv=size.hidden_size // size.num_heads,
        d_ff=size.intermediate_size,
        num_layers=size.num_layers,
        num_heads=size.num_heads,
        feed_forward_proj="gated-gelu",
        dropout_rate=scratch.dropout,
        classifier_dropout=scratch.dropout,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def _bert_config(scratch: recipe.Scratch, size: ModelSize, tokenizer: PreTrainedTokenizerBase) -> BertConfig:
    return BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=size.hidden_size,
        num_hidden_layers=size.num_layers,
        num_attention_heads=size.num_heads,
        intermediate_size=size.intermediate_size,
        max_position_embeddings=scratch.max_positions,
        hidden_dropout_prob=scratch.dropout,
        attention_probs_dropout_prob=scratch.dropout,
        pad_token_id=tokenizer.pad_token_id,
    )
