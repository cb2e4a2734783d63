"""The hooks that put requests for masks where transformers passes attention masks.

All that masks need travels in the arguments of the model's own calls, never in a place on the side, so that threads,
gradient checkpointing and copies of a model cannot mix up batches.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils.generic import ModelOutput

from finetune.attention.layout import Ragged, special_token_columns
from finetune.attention.masks import Mask
from finetune.attention.pretrained.cls_only import ClsOnlyHook
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.evaluate import check_generation
from finetune.attention.pretrained.implementation import check_masked_attention
from finetune.attention.pretrained.size_bucketing import pad_arguments, pad_columns
from finetune.attention.pretrained.streams import EndOfTextHook, PoolHook, RelativeBiasHook, shows_states
from finetune.attention.pretrained.tokens import (
    COLUMN_KEY,
    VALUE_KEY,
    MaskRequest,
    Tokens,
    bucketed,
    check_attention_mask,
    check_stream,
    split_features,
)
from finetune.attention.pretrained.virtual import check_cache, check_embeddings
from finetune.attention.program import SiteName

SEGMENT = "segment"
"""The token column that is the model's token_type_ids."""

SpecialTokens = Mapping[str, Sequence[int]]
Arguments = dict[str, Any]
Call = tuple[tuple[Any, ...], Arguments]


@dataclass(frozen=True)
class StackHook:
    """A forward pre-hook of a stack: replaces its attention masks by requests.

    Args:
        parameters: The names of the stack's forward's parameters.
        site: The site of its self-attention.
        masks: The different masks of its self-attention.
        cross_masks: Those of its attention to the encoder's output.
        num_heads: Attention heads.
        head_dim: Size of one attention head.
        max_length: The longest input in tokens; None for no limit.
        special_tokens: Ids of the special tokens that masks name.
        first_position: Position id of an example's first token.
        has_relative_bias: Whether its self-attention adds a relative bias.
        no_stream: Why the stack cannot read a ragged stream; None where it can.
        kernel: How a stream is computed; None leaves it to the plan.
    """

    parameters: tuple[str, ...]
    site: SiteName
    masks: tuple[Mask, ...]
    cross_masks: tuple[Mask, ...]
    num_heads: int
    head_dim: int
    max_length: int | None
    special_tokens: SpecialTokens
    first_position: int = 0
    has_relative_bias: bool = False
    no_stream: str | None = None
    kernel: str | None = None

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Arguments) -> Call:
        """The same call, with requests in place of attention masks. Raises PretrainedError where it does not fit."""
        check_masked_attention(module)
        arguments = named(self.parameters, args, kwargs)
        features, layout = self._own(arguments, "mask_features"), self._own(arguments, "layout")
        past = _past(arguments.get("past_key_values"), self.site)
        if past:
            check_cache(arguments["past_key_values"], self.masks)
        source = self._source(arguments)
        tokens = self._tokens(arguments, features, layout, past)
        if tokens is None:
            return (), arguments
        if tokens.stream is not None:
            self._place(arguments, tokens.stream, past)
            if not shows_states(module, arguments):
                tokens = bucketed(tokens)
                pad_arguments(arguments, tokens.padded_length)
        if source is not None:
            if (source.stream is None) != (tokens.stream is None):
                raise PretrainedError("source and target must both be ragged streams, or both padded rows")
            tokens = with_values(tokens, source.values)
            keys = bucketed(with_values(source, tokens.values))
            states = arguments["encoder_hidden_states"]
            arguments["encoder_hidden_states"] = pad_columns(states, keys.padded_length) if keys.stream else states
            arguments["encoder_attention_mask"] = self._request("cross", self.cross_masks, tokens, keys, past)
        arguments["attention_mask"] = self._request(self.site, self.masks, tokens, tokens, past)
        return (), arguments

    def _request(
        self, site: SiteName, masks: tuple[Mask, ...], queries: Tokens, keys: Tokens, past: int
    ) -> MaskRequest:
        if not (queries.are_told and keys.are_told):
            check_embeddings(masks)
        has_relative_bias = self.has_relative_bias and site != "cross"
        return MaskRequest(
            site, masks, self.num_heads, queries, keys, past, self.head_dim, has_relative_bias, self.kernel
        )

    def _place(self, arguments: Arguments, stream: Ragged, past: int) -> None:
        """Give each token of a stream its position in its example."""
        if self.no_stream or past or arguments.get("use_cache"):
            reason = self.no_stream or "a cache holds padded rows (give use_cache=False)"
            raise PretrainedError(f"this model cannot read a ragged stream: {reason}")
        if arguments.get("position_ids") is None and "position_ids" in self.parameters:
            arguments["position_ids"] = (stream.positions + self.first_position)[None]
        if self.site == "decoder":
            arguments["use_cache"] = False

    def _own(self, arguments: Arguments, name: str) -> object:
        """What the caller gave for this stack's tokens; a T5 passes both sides' on to both."""
        given, of_decoder = arguments.pop(name, None), arguments.pop(f"decoder_{name}", None)
        if self.site == "decoder" and of_decoder is not None:
            return of_decoder
        return given

    def _tokens(self, arguments: Arguments, features: object, layout: object, past: int) -> Tokens | None:
        given = arguments.get("attention_mask")
        if isinstance(given, Tokens):
            tokens = given
            if tokens.ids is not None:
                arguments["input_ids"] = tokens.ids
        else:
            read = read_tokens(arguments, given, features, layout, past, self.special_tokens)
            if read is None:
                return None
            tokens = read
        if self.max_length is not None and tokens.longest > self.max_length:
            raise PretrainedError(
                f"the model has {self.max_length} positions and cannot read {tokens.longest} tokens; cut the text, or "
                "use a model with more positions or with relative ones (T5)"
            )
        return tokens

    def _source(self, arguments: Arguments) -> Tokens | None:
        """The encoder's side, where there is attention to it."""
        states = arguments.get("encoder_hidden_states")
        if states is None or not self.cross_masks:
            return None
        given = arguments.get("encoder_attention_mask")
        if isinstance(given, Tokens):
            return given
        batch, width = states.shape[:2]
        valid = check_attention_mask(given, batch, width, "encoder_attention_mask")
        return Tokens(batch, width, states.device, valid)


@dataclass(frozen=True)
class SourceHook:
    """A forward pre-hook of an encoder-decoder: says what the source holds to both halves.

    Args:
        parameters: The names of the model's forward's parameters.
        decoder_masks: The masks of the decoder's self-attention.
        cross_masks: The masks of its attention to the source.
        special_tokens: Ids of the special tokens that masks name.
        infer_padding: Whether the target's padding is to be told from labels where no decoder_attention_mask is given.
    """

    parameters: tuple[str, ...]
    decoder_masks: tuple[Mask, ...]
    cross_masks: tuple[Mask, ...]
    special_tokens: SpecialTokens
    infer_padding: bool

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Arguments) -> Call:
        """The same call, with the source's tokens as attention mask. Raises PretrainedError where it does not fit."""
        arguments = named(self.parameters, args, kwargs)
        features, layout = arguments.pop("mask_features", None), arguments.pop("layout", None)
        given = arguments.get("attention_mask")
        if isinstance(given, Tokens):
            return (), arguments
        to_infer = self.infer_padding and arguments.get("decoder_layout") is None
        if to_infer and arguments.get("decoder_attention_mask") is None:
            arguments["decoder_attention_mask"] = _target_padding(arguments)
        encoded = arguments.get("encoder_outputs")
        if encoded is None:
            source = read_tokens(arguments, given, features, layout, 0, self.special_tokens)
        else:
            self._check_generation(arguments)
            source = _carried(encoded, given, features, layout)
        if source is not None:
            arguments["attention_mask"] = source
        return (), arguments

    def _check_generation(self, arguments: Arguments) -> None:
        """Refuse before the first step what a later one would refuse. `generate` always says whether it caches."""
        use_cache = arguments.get("use_cache")
        if use_cache is None or arguments.get("labels") is not None:
            return
        for mask in self.decoder_masks:
            check_generation(mask, "decoder", cached=use_cache)
        for mask in self.cross_masks:
            check_generation(mask, "cross", cached=use_cache)


@dataclass(frozen=True)
class CarryHook:
    """A forward hook of an encoder: what later sites need of the source goes with its output through `generate`.

    Args:
        columns: Names of token columns.
        values: Names of values of the examples.
    """

    columns: frozenset[str]
    values: frozenset[str]

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Arguments, output: object) -> None:
        """Add to the output in place; `generate` repeats it for each beam as it does with the rest."""
        request = kwargs.get("attention_mask")
        if not isinstance(output, ModelOutput) or not isinstance(request, MaskRequest):
            return
        for name in self.columns & set(request.keys.columns):
            output[COLUMN_KEY + name] = request.keys.columns[name]
        for name in self.values & set(request.keys.values):
            output[VALUE_KEY + name] = request.keys.values[name]


def parameter_names(module: nn.Module) -> tuple[str, ...]:
    """The names of the parameters of a module's forward."""
    return tuple(inspect.signature(module.forward).parameters)


def named(parameters: Sequence[str], args: tuple[Any, ...], kwargs: Arguments) -> Arguments:
    """The arguments of a call by name."""
    return dict(zip(parameters, args, strict=False)) | kwargs


def read_tokens(
    arguments: Arguments,
    attention_mask: object,
    features: object,
    layout: object,
    past: int,
    special_tokens: SpecialTokens,
) -> Tokens | None:
    """The tokens that a call is about; None where it has none, which the model itself will complain of.

    Raises:
        PretrainedError: Attention mask, layout or features do not fit.
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
    are_told = input_ids is not None or valid is not None or stream is not None
    return Tokens(batch, past + count, given.device, valid, columns, values, stream, are_told=are_told)


def _valid(attention_mask: object, batch: int, width: int, stream: Ragged | None) -> Tensor | None:
    if stream is not None and attention_mask is not None:
        raise PretrainedError("a ragged stream has no padding: give its layout, and no attention_mask")
    return check_attention_mask(attention_mask, batch, width, "attention_mask")


def with_values(tokens: Tokens, values: Mapping[str, Tensor]) -> Tokens:
    """The tokens with values of the examples that another side knows; their own come first."""
    if not values:
        return tokens
    both = {**values, **tokens.values}
    return replace(tokens, values=both)


def _carried(encoded: Any, attention_mask: object, features: object, layout: object) -> Tokens:
    """The source's tokens where the encoder has run before."""
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


def _target_padding(arguments: Arguments) -> Tensor | None:
    """Where the target's tokens are, as far as labels or, where the target is the source, the source say it."""
    labels = arguments.get("labels")
    if labels is not None and labels.ndim == 2:
        # Labels that do not count may lie among others (a prompt); padding is what comes after the last that counts.
        later: Tensor = (labels != -100).flip(1).cumsum(1).flip(1)
        return later > 0
    if arguments.get("decoder_input_ids") is None and arguments.get("decoder_inputs_embeds") is None:
        of_source: Tensor | None = arguments.get("attention_mask")
        return of_source
    return None


def _past(cache: Any, site: SiteName) -> int:
    """Number of tokens in the cache.

    Raises:
        PretrainedError: The cache is static, or in an encoder.
    """
    if cache is None:
        return 0
    seen = cache.get_seq_length()
    if isinstance(seen, Tensor) or getattr(cache, "is_compileable", False):
        raise PretrainedError("static caches cannot be combined with masks; leave out cache_implementation")
    if seen and site == "encoder":
        raise PretrainedError(
            "an encoder was given a cache, as prefix tuning does, which masks cannot be combined with"
        )
    return int(seen)


def is_encoder_decoder(module: nn.Module) -> bool:
    """Whether a module's forward takes a source and a target."""
    return {"encoder_outputs", "decoder_input_ids"} <= set(parameter_names(module))


def install(
    module: nn.Module,
    hook: StackHook | SourceHook | CarryHook | PoolHook | ClsOnlyHook | RelativeBiasHook | EndOfTextHook,
) -> torch.utils.hooks.RemovableHandle:
    """Register a hook; the handle removes it."""
    if isinstance(hook, CarryHook | PoolHook | ClsOnlyHook):
        return module.register_forward_hook(hook, with_kwargs=True)
    return module.register_forward_pre_hook(hook, with_kwargs=True)
