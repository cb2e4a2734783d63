"""Reads the arguments of a model's calls: where tokens and padding are, and which columns and values masks can read."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from finetune.attention.layout import Ragged, special_token_columns
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.tokens import (
    COLUMN_KEY,
    VALUE_KEY,
    Tokens,
    check_attention_mask,
    check_stream,
    split_features,
)
from finetune.attention.program import SiteName

SEGMENT = "segment"
"""The token column that holds the model's `token_type_ids`."""
IGNORE_INDEX = -100
"""The label id of a position that has no target, as in `torch.nn.functional.cross_entropy`."""

SpecialTokens = Mapping[str, Sequence[int]]
"""Ids of special tokens by name."""
Arguments = dict[str, Any]
"""The arguments of a call by parameter name."""
Call = tuple[tuple[Any, ...], Arguments]
"""Positional and keyword arguments, as a forward pre-hook returns them."""


def parameter_names(module: nn.Module) -> tuple[str, ...]:
    """Return the names of the parameters of a module's forward."""
    return tuple(inspect.signature(module.forward).parameters)


def named(parameters: Sequence[str], args: tuple[Any, ...], kwargs: Arguments) -> Arguments:
    """Return the positional and keyword arguments of a call by parameter name."""
    return dict(zip(parameters, args, strict=False)) | kwargs


def is_encoder_decoder(module: nn.Module) -> bool:
    """Return whether a module's forward takes a source and a target."""
    return {"encoder_outputs", "decoder_input_ids"} <= set(parameter_names(module))


def read_tokens(
    arguments: Arguments,
    attention_mask: object,
    features: object,
    layout: object,
    past: int,
    special_tokens: SpecialTokens,
) -> Tokens | None:
    """Return the tokens of a call of a stack or an encoder-decoder.

    Args:
        arguments: The arguments of the call, with `input_ids` [batch, tokens] or `inputs_embeds` [batch, tokens,
            hidden_size].
        attention_mask: The attention mask of the call, [batch, past + tokens], or None.
        features: Columns and values for masks, by name, or None.
        layout: The layout of a ragged stream, or None.
        past: Number of tokens in the cache.
        special_tokens: Ids of the special tokens that masks name.

    Returns:
        The tokens, or None if the call has neither ids nor embeddings, for which the model itself raises an error.

    Raises:
        PretrainedError: The attention mask, the layout or a feature does not fit the tokens.
        MaskError: A feature does not hold integers.
    """
    input_ids, embedded = arguments.get("input_ids"), arguments.get("inputs_embeds")
    given = input_ids if input_ids is not None else embedded
    if given is None:
        return None
    batch, count = given.shape[:2]
    stream = check_stream(layout, batch, count, "layout")
    columns: dict[str, Tensor] = {}
    values: dict[str, Tensor] = {}
    if input_ids is not None:
        columns = special_token_columns(input_ids, special_tokens)
    if arguments.get("token_type_ids") is not None:
        columns[SEGMENT] = arguments["token_type_ids"].expand(batch, count).long()
    if features is not None:
        own_columns, values = split_features(features, batch, count, given.device, stream)
        columns |= own_columns
    valid = _valid(attention_mask, batch, past + count, stream)
    valid = None if valid is None else valid.to(given.device)
    positions_known = input_ids is not None or valid is not None or stream is not None
    return Tokens(batch, past + count, given.device, valid, columns, values, stream, positions_known=positions_known)


def carried_tokens(encoded: Any, attention_mask: object, features: object, layout: object) -> Tokens:
    """Return the source's tokens of a call to which the encoder's output is passed.

    Args:
        encoded: The encoder's output, whose first entry is the hidden states [batch, tokens, hidden_size]. A mapping
            can also hold the columns and values that `CarryHook` added.
        attention_mask: The source's attention mask, [batch, tokens], or None.
        features: Columns and values for masks, which replace those of the same name in `encoded`, or None.
        layout: The layout of a ragged stream, or None.

    Raises:
        PretrainedError: The attention mask, the layout or a feature does not fit the hidden states.
        MaskError: A feature does not hold integers.
    """
    states = encoded[0]
    batch, width = states.shape[:2]
    stream = check_stream(layout, batch, width, "layout")
    columns, values = {}, {}
    if isinstance(encoded, Mapping):
        columns = {key.removeprefix(COLUMN_KEY): encoded[key] for key in encoded if key.startswith(COLUMN_KEY)}
        values = {key.removeprefix(VALUE_KEY): encoded[key] for key in encoded if key.startswith(VALUE_KEY)}
    if features is not None:
        own_columns, own_values = split_features(features, batch, width, states.device, stream)
        columns, values = columns | own_columns, values | own_values
    valid = _valid(attention_mask, batch, width, stream)
    return Tokens(batch, width, states.device, valid, columns, values, stream)


def _valid(attention_mask: object, batch: int, width: int, stream: Ragged | None) -> Tensor | None:
    if stream is not None and attention_mask is not None:
        raise PretrainedError(
            "a call has both a layout and an attention_mask; a ragged stream has no padding: give its layout, and no "
            "attention_mask"
        )
    return check_attention_mask(attention_mask, batch, width, "attention_mask")


def target_padding(arguments: Arguments) -> Tensor | None:
    """Return where the target's tokens are, for a call of an encoder-decoder without `decoder_attention_mask`.

    Args:
        arguments: The arguments of the call; `labels` are [batch, tokens], `IGNORE_INDEX` at positions that have no
            target.

    Returns:
        bool [batch, tokens], True at tokens. It is derived from the labels, or from the source's attention mask where
        the model makes the target of the source, as T5's text classifier does. None where neither is known.
    """
    labels = arguments.get("labels")
    if labels is not None and labels.ndim == 2:
        # Positions without a target may lie before others (a prompt), so padding is what comes after the last target:
        # the reversed cumulative sum counts the targets from each position on.
        later: Tensor = (labels != IGNORE_INDEX).flip(1).cumsum(1).flip(1)  # [batch, tokens]
        return later > 0
    if arguments.get("decoder_input_ids") is None and arguments.get("decoder_inputs_embeds") is None:
        source_mask: Tensor | None = arguments.get("attention_mask")
        return source_mask
    return None


def cached_length(cache: Any, site: SiteName) -> int:
    """Return the number of tokens in the cache that a stack is called with, or 0 if there is none.

    Args:
        cache: A cache of transformers, or None.
        site: The site of the stack's self-attention.

    Raises:
        PretrainedError: The cache is static, or the stack is an encoder.
    """
    if cache is None:
        return 0
    seen = cache.get_seq_length()
    # A static cache has its full size from the start, and counts its tokens in a tensor.
    if isinstance(seen, Tensor) or getattr(cache, "is_compileable", False):
        raise PretrainedError("static caches cannot be combined with masks; leave out cache_implementation")
    if seen and site == "encoder":
        raise PretrainedError(
            "an encoder was given a cache, as prefix tuning does, which cannot be combined with masks; use LoRA or IA3"
        )
    return int(seen)
