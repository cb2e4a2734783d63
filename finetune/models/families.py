"""The families of pretrained models: which heads they can have, and how long their inputs may be."""

from collections.abc import Iterable

from transformers import PreTrainedConfig

from finetune.attention.pretrained import Family, PretrainedError, families, find_family
from finetune.errors import UserError
from finetune.recipe import find_head, heads

Head = str
"""The name of a `finetune.recipe.ModelHead`."""


def family(config: PreTrainedConfig) -> Family:
    """Return the family of a model; that of the encoder for an `EncoderDecoderModel`.

    Raises:
        UserError: The family is not known, or the package that provides it cannot be imported.
    """
    if config.model_type == "encoder-decoder":
        return family(config.encoder)
    try:
        found = find_family(config.model_type or "")
    except PretrainedError as error:
        raise UserError(str(error), where="model.name") from error
    if found is None:
        raise _unsuitable(config, "fine-tuned")
    return found


def check_head(config: PreTrainedConfig, head: Head) -> None:
    """Make sure that a model can have a head.

    Raises:
        UserError: The model cannot have the head, or its family is not known.
    """
    found = family(config)
    if found.is_encoder_decoder:
        return
    is_pair = config.model_type == "encoder-decoder"
    fits = is_pair or found.can_decode if find_head(head).writes_text else not is_pair
    if not fits:
        raise _unsuitable(config, f"fine-tuned for {head}")


def max_positions(config: PreTrainedConfig) -> int | None:
    """Return the longest input in tokens, special tokens included; None where positions are relative (T5).

    Raises:
        UserError: The family of the model is not known.
    """
    if config.model_type == "encoder-decoder":
        limits = [limit for half in (config.encoder, config.decoder) if (limit := max_positions(half)) is not None]
        return min(limits, default=None)
    positions = family(config).positions
    if positions is None:
        return None
    # RoBERTa numbers positions from pad_token_id + 1 on.
    unused = config.pad_token_id + 1 if positions == "after_padding" else 0
    return int(config.max_position_embeddings) - unused


def check_length(config: PreTrainedConfig, length: int, key: str) -> None:
    """Make sure that a model has enough positions for inputs of a length.

    Args:
        config: The model's configuration.
        length: The length of the longest input, in tokens.
        key: The recipe key that sets the length (`task.max_length`).

    Raises:
        UserError: The length is greater than the model's number of positions.
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
    pairs = [one for one in families() if one.is_encoder_decoder]
    decoders = [one for one in families() if one.can_decode]
    return UserError(
        f"a model of type {config.model_type!r} cannot be {purpose} here",
        expected=f"{_heads(writes_text=True)}: {_types(pairs)}, or as encoder and decoder {_types(decoders)}; "
        f"{_heads(writes_text=False)}: {_types(families())}",
        found=config.model_type or "no type",
        where="model.name",
        fix="choose another model (google-bert/bert-base-uncased, google-t5/t5-small)",
    )


def _heads(*, writes_text: bool) -> str:
    return " and ".join(name for name, head in heads().items() if head.writes_text == writes_text)


def _types(chosen: Iterable[Family]) -> str:
    return ", ".join(sorted(name for one in chosen for name in one.model_types))
