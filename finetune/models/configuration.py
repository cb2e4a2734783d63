"""Settings of a model's configuration that are written before the model is created."""

from collections.abc import Sequence
from typing import Any, cast

from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from finetune.errors import UserError
from finetune.models.families import Head, family
from finetune.recipe import find_head

SPECIAL_IDS = ("pad_token_id", "eos_token_id", "decoder_start_token_id")
"""The ids of the tokens that pad, end and start the outputs of an encoder-decoder."""


def configure(
    config: PreTrainedConfig,
    head: Head,
    tokenizer: PreTrainedTokenizerBase,
    labels: Sequence[str] | None,
    problem_type: str | None = None,
) -> None:
    """Write the labels and the tokenizer's special tokens into `config`.

    Args:
        config: The model's configuration.
        head: The name of the head.
        tokenizer: The tokenizer, whose special tokens the model gets.
        labels: The classes in order; None for text to text.
        problem_type: The `problem_type` of transformers for text classification. The default is that of the
            configuration, or else one class.

    Raises:
        UserError: The tokenizer has more tokens than the model, or lacks a special token that the model needs.
    """
    _check_vocabulary(config, tokenizer)
    set_special_ids(config, tokenizer)
    if labels is not None:
        config.id2label = dict(enumerate(labels))
        config.label2id = {label: number for number, label in enumerate(labels)}
    if find_head(head).has_problem_type:
        # Without a problem_type, transformers trains a single class as a regression.
        config.problem_type = cast("Any", problem_type or config.problem_type or "single_label_classification")


def set_dropout(config: PreTrainedConfig, dropout: float) -> None:
    """Set every dropout probability of `config` and of the configurations inside it."""
    for name, value in vars(config).items():
        if isinstance(value, PreTrainedConfig):
            set_dropout(value, dropout)
        elif "dropout" in name and (value is None or isinstance(value, int | float)):
            setattr(config, name, dropout)


def set_special_ids(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    """Write the ids of the tokens that pad, end and start outputs into the configuration of an encoder-decoder.

    T5 starts with the padding token, two BERTs start with [CLS]. Ids that the configuration already has are kept.

    Raises:
        UserError: The tokenizer lacks one of these tokens, or pads or ends with another token than the model.
    """
    if not config.is_encoder_decoder:
        return
    for key, token in zip(SPECIAL_IDS, family(config).output_tokens, strict=True):
        number = _special_id(tokenizer, token)
        known = getattr(config, key, None)
        if known is None:
            setattr(config, key, number)
        elif known != number and key != "decoder_start_token_id":
            raise _other_tokenizer(f"{token} with id {known}", f"id {number}")


def complete_generation(model: PreTrainedModel) -> None:
    """Write the ids of the tokens that pad, end and start outputs into the model's generation config.

    Ids that it already has are kept. A loaded model's generation config comes from the checkpoint's own file, which may
    lack what `set_special_ids` wrote into the model's config: that of
    `EncoderDecoderModel.from_encoder_decoder_pretrained`, for example, has no start token.
    """
    generation = getattr(model, "generation_config", None)
    if generation is None or not model.config.is_encoder_decoder:
        return
    for key in SPECIAL_IDS:
        if getattr(generation, key) is None:
            setattr(generation, key, getattr(model.config, key, None))


def _special_id(tokenizer: PreTrainedTokenizerBase, token: str) -> int:
    number: int | None = getattr(tokenizer, f"{token}_id")
    if number is None:
        raise _other_tokenizer(f"a {token}", "special tokens " + (", ".join(tokenizer.all_special_tokens) or "(none)"))
    return number


def _check_vocabulary(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> None:
    known = config.encoder.vocab_size if config.model_type == "encoder-decoder" else config.vocab_size
    if len(tokenizer) > known:
        raise _other_tokenizer(f"at most {known:,} tokens", f"{len(tokenizer):,} tokens")


def _other_tokenizer(expected: str, found: str) -> UserError:
    return UserError(
        "the tokenizer does not belong to the model",
        expected=expected,
        found=found,
        where="model.tokenizer",
        fix="use the model's own tokenizer (model.tokenizer=null)",
    )
