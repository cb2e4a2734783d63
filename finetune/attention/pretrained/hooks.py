"""The hooks that put requests for masks where transformers passes attention masks.

Everything that masks need is passed in the arguments of the model's own calls and never stored elsewhere. So threads,
gradient checkpointing and copies of a model cannot mix up batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle
from transformers.utils.generic import ModelOutput

from finetune.attention.layout import Ragged
from finetune.attention.masks import Mask
from finetune.attention.pretrained.arguments import (
    Arguments,
    Call,
    SpecialTokens,
    cached_length,
    carried_tokens,
    named,
    read_tokens,
    target_padding,
)
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
)
from finetune.attention.pretrained.virtual import check_cache, check_embeddings
from finetune.attention.program import SiteName


@dataclass(frozen=True)
class StackHook:
    """A forward pre-hook of a stack, which replaces its attention masks by requests for masks.

    Args:
        parameters: Names of the parameters of the stack's forward.
        site: The site of its self-attention.
        masks: The different masks of the layers' self-attention.
        cross_masks: The different masks of the layers' attention to the encoder's output.
        num_heads: Number of attention heads.
        head_dim: Size of one attention head.
        max_length: The longest input in tokens; None for no limit.
        special_tokens: Ids of the special tokens that masks name.
        first_position: Position id of an example's first token.
        has_relative_bias: Whether the self-attention adds a relative bias to the scores.
        no_stream: Why the stack cannot read a ragged stream; None where it can.
        kernel: The kernel that computes attention in streams; None leaves the choice to the plan.
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
        """Return the arguments of the call with requests in place of the attention masks.

        Raises:
            PretrainedError: An argument does not fit the tokens, or the model cannot read them under masks.
        """
        check_masked_attention(module)
        arguments = named(self.parameters, args, kwargs)
        # The forward of the stack has no parameters of these names, so that they are removed here.
        features, layout = self._own(arguments, "mask_features"), self._own(arguments, "layout")
        past = cached_length(arguments.get("past_key_values"), self.site)
        if past:
            check_cache(arguments["past_key_values"], self.masks)
        source = self._source(arguments)
        tokens = self._tokens(arguments, features, layout, past)
        if tokens is None:
            return (), arguments
        if tokens.stream is not None:
            self._place(arguments, tokens.stream, past)
            # Bucketing would leave padding in the hidden states of the layers, which no hook can cut off.
            if not shows_states(module, arguments):
                tokens = bucketed(tokens)
                pad_arguments(arguments, tokens.padded_length)
        if source is not None:
            if (source.stream is None) != (tokens.stream is None):
                raise PretrainedError(
                    "source and target must both be ragged streams, or both padded rows; give both layout and "
                    "decoder_layout, or neither"
                )
            # Values belong to an example, so that the masks of both sides can read those of either side.
            tokens = with_values(tokens, source.values)
            keys = bucketed(with_values(source, tokens.values))
            states = arguments["encoder_hidden_states"]  # [batch, source tokens, hidden_size]
            arguments["encoder_hidden_states"] = pad_columns(states, keys.padded_length) if keys.stream else states
            arguments["encoder_attention_mask"] = self._request("cross", self.cross_masks, tokens, keys, past)
        arguments["attention_mask"] = self._request(self.site, self.masks, tokens, tokens, past)
        return (), arguments

    def _request(
        self, site: SiteName, masks: tuple[Mask, ...], queries: Tokens, keys: Tokens, past: int
    ) -> MaskRequest:
        """Return the request for the masks of a site."""
        if not (queries.positions_known and keys.positions_known):
            check_embeddings(masks)
        # T5's cross-attention has a bias of zeros.
        has_relative_bias = self.has_relative_bias and site != "cross"
        return MaskRequest(
            site, masks, self.num_heads, queries, keys, past, self.head_dim, has_relative_bias, self.kernel
        )

    def _place(self, arguments: Arguments, stream: Ragged, past: int) -> None:
        """Set `position_ids`, so that each token of a stream gets its position in its own example."""
        if self.no_stream or past or arguments.get("use_cache"):
            reason = self.no_stream or "a cache holds padded rows (give use_cache=False)"
            raise PretrainedError(f"this model cannot read a ragged stream: {reason}")
        if arguments.get("position_ids") is None and "position_ids" in self.parameters:
            arguments["position_ids"] = (stream.positions + self.first_position)[None]  # [1, tokens]
        if self.site == "decoder":  # transformers makes a cache by default
            arguments["use_cache"] = False

    def _own(self, arguments: Arguments, name: str) -> object:
        """Remove an argument of ours from the call, and return this stack's.

        T5 passes the keyword arguments that it does not know, `name` and `decoder_<name>`, to both of its stacks.
        """
        given, of_decoder = arguments.pop(name, None), arguments.pop(f"decoder_{name}", None)
        if self.site == "decoder" and of_decoder is not None:
            return of_decoder
        return given

    def _tokens(self, arguments: Arguments, features: object, layout: object, past: int) -> Tokens | None:
        """Return the stack's own tokens, from a `SourceHook` where one has run; None if the call has no tokens."""
        given = arguments.get("attention_mask")
        if isinstance(given, Tokens):
            tokens = given
            if tokens.ids is not None:  # `EndOfTextHook` has replaced the ids of the call
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
        """Return the tokens of the encoder's output; None if the stack does not attend to one."""
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
    """A forward pre-hook of an encoder-decoder, which passes the source's tokens to both halves.

    Args:
        parameters: Names of the parameters of the model's forward.
        decoder_masks: The different masks of the decoder's self-attention.
        cross_masks: The different masks of the decoder's attention to the source.
        special_tokens: Ids of the special tokens that masks name.
        infer_padding: Whether the target's padding is derived from the labels if no decoder_attention_mask is given.
    """

    parameters: tuple[str, ...]
    decoder_masks: tuple[Mask, ...]
    cross_masks: tuple[Mask, ...]
    special_tokens: SpecialTokens
    infer_padding: bool

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Arguments) -> Call:
        """Return the arguments of the call with the source's `Tokens` in place of `attention_mask`.

        Raises:
            PretrainedError: An argument does not fit the tokens, or a mask cannot be used in generation.
        """
        arguments = named(self.parameters, args, kwargs)
        features, layout = arguments.pop("mask_features", None), arguments.pop("layout", None)
        given = arguments.get("attention_mask")
        if isinstance(given, Tokens):  # the SourceHook of a model around this one has run
            return (), arguments
        to_infer = self.infer_padding and arguments.get("decoder_layout") is None
        if to_infer and arguments.get("decoder_attention_mask") is None:
            arguments["decoder_attention_mask"] = target_padding(arguments)
        encoded = arguments.get("encoder_outputs")
        if encoded is None:
            source = read_tokens(arguments, given, features, layout, 0, self.special_tokens)
        else:
            self._check_generation(arguments)
            source = carried_tokens(encoded, given, features, layout)
        if source is not None:
            arguments["attention_mask"] = source
        return (), arguments

    def _check_generation(self, arguments: Arguments) -> None:
        """Raise in the first step of generation what a later step would raise."""
        use_cache = arguments.get("use_cache")
        # `generate` always passes `use_cache`; a call without it, or with labels, is one of training.
        if use_cache is None or arguments.get("labels") is not None:
            return
        for mask in self.decoder_masks:
            check_generation(mask, "decoder", cached=use_cache)
        for mask in self.cross_masks:
            check_generation(mask, "cross", cached=use_cache)


@dataclass(frozen=True)
class CarryHook:
    """A forward hook of an encoder, which adds to its output what the decoder's masks read of the source.

    `generate` passes the encoder's output to the decoder in each step.

    Args:
        columns: Names of the token columns that the masks of the decoder read.
        values: Names of the values of examples that they read.
    """

    columns: frozenset[str]
    values: frozenset[str]

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Arguments, output: object) -> None:
        """Add the columns and values to the output, in place; `generate` repeats them for each beam with the rest."""
        request = kwargs.get("attention_mask")
        if not isinstance(output, ModelOutput) or not isinstance(request, MaskRequest):
            return
        for name in self.columns & set(request.keys.columns):
            output[COLUMN_KEY + name] = request.keys.columns[name]
        for name in self.values & set(request.keys.values):
            output[VALUE_KEY + name] = request.keys.values[name]


def with_values(tokens: Tokens, values: Mapping[str, Tensor]) -> Tokens:
    """Return tokens with the values of another side added; of two values with one name, the tokens' own is kept."""
    if not values:
        return tokens
    both = {**values, **tokens.values}
    return replace(tokens, values=both)


def install(
    module: nn.Module,
    hook: StackHook | SourceHook | CarryHook | PoolHook | ClsOnlyHook | RelativeBiasHook | EndOfTextHook,
) -> RemovableHandle:
    """Register a hook as a forward hook or a forward pre-hook, whichever it is; return the handle that removes it."""
    if isinstance(hook, CarryHook | PoolHook | ClsOnlyHook):
        return module.register_forward_hook(hook, with_kwargs=True)
    return module.register_forward_pre_hook(hook, with_kwargs=True)
