"""Which pretrained models fit which task, and how long their inputs may be."""

from typing import Literal

from transformers import PreTrainedConfig

from finetune.errors import UserError

Head = Literal["text_classification", "token_classification", "text_to_text"]
"""What is put on top of the pretrained model."""

FamilyName = Literal["bert", "t5"]

T5_TYPES = frozenset({"mt5", "t5", "umt5"})
DECODER_TYPES = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
"""Encoders that transformers can also run as a decoder with cross-attention."""
BERT_TYPES = DECODER_TYPES | {"albert", "deberta-v2", "distilbert", "modernbert", "mpnet"}
OFFSET_TYPES = frozenset({"camembert", "mpnet", "roberta", "xlm-roberta"})
"""Encoders whose first position has the number pad_token_id + 1, as fairseq counts."""


def family(config: PreTrainedConfig) -> FamilyName:
    """The family of a model: `bert` for encoders, also where two are put together, `t5` for T5 and its descendants.

    Raises:
        UserError: The model is of neither family.
    """
    if config.model_type == "encoder-decoder":
        return family(config.encoder)
    if config.model_type in BERT_TYPES:
        return "bert"
    if config.model_type in T5_TYPES:
        return "t5"
    raise _unsuitable(config, "fine-tuned")


def check_head(config: PreTrainedConfig, head: Head) -> None:
    """Make sure that a model can be given a head.

    Raises:
        UserError: It cannot, or it is of no known family.
    """
    if family(config) == "t5":
        return
    types = DECODER_TYPES | {"encoder-decoder"} if head == "text_to_text" else BERT_TYPES
    if config.model_type not in types:
        raise _unsuitable(config, f"fine-tuned for {head}")


def max_positions(config: PreTrainedConfig) -> int | None:
    """The longest input in tokens, special tokens included; None where positions are relative (T5).

    Raises:
        UserError: The model is of no known family.
    """
    if config.model_type == "encoder-decoder":
        limits = [limit for half in (config.encoder, config.decoder) if (limit := max_positions(half)) is not None]
        return min(limits, default=None)
    if family(config) == "t5":
        return None
    unused = config.pad_token_id + 1 if config.model_type in OFFSET_TYPES else 0
    return int(config.max_position_embeddings) - unused


def check_length(config: PreTrainedConfig, length: int, key: str) -> None:
    """Make sure that a model has positions for inputs of a length.

    Args:
        config: The model's configuration.
        length: The longest input, in tokens.
        key: The recipe key that sets the length (`task.max_length`).

    Raises:
        UserError: The length is beyond the model's last position.
    """
    limit = max_positions(config)
    if limit is not None and length > limit:
        raise UserError(
            f"{key} is longer than the model's inputs can be",
            expected=f"at most {limit} tokens",
            found=str(length),
            where=key,
            fix=f"{key}={limit}, or a model without that limit: a T5, or model.scratch.max_positions={length}",
        )


def _unsuitable(config: PreTrainedConfig, purpose: str) -> UserError:
    def listed(types: frozenset[str]) -> str:
        return ", ".join(sorted(types))

    return UserError(
        f"a model of type {config.model_type!r} cannot be {purpose} here",
        expected=f"text_to_text: {listed(T5_TYPES)}, or as encoder and decoder {listed(DECODER_TYPES)}; "
        f"text_classification and token_classification: {listed(T5_TYPES | BERT_TYPES)}",
        found=config.model_type or "no type",
        where="model.name",
        fix="choose another model (google-bert/bert-base-uncased, google-t5/t5-small)",
    )
