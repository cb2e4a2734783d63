"""The hooks with which a pretrained model reads a ragged stream, in addition to its masks.

The model sees a stream as one long row. Two of its parts would treat it as one text: a head that reads the first or
last token of a row, and a relative bias that is computed for every pair of tokens of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils.generic import ModelOutput

from finetune.attention.layout import Ragged, pad
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.evaluate import SiteMasks
from finetune.attention.pretrained.families import AttentionStack, find_stacks
from finetune.attention.pretrained.tokens import COLUMN_KEY, VALUE_KEY, MaskRequest, Tokens

Reads = Literal["first", "last", "mean"] | None
"""The only token of each example that a head of the model reads, or the mean of the example's tokens; None for heads
that read all tokens."""


@dataclass(frozen=True)
class PoolHook:
    """A forward hook of a stack, which pools each example of a stream and removes the padding of bucketing.

    Args:
        reads: What the model's head reads of each example. Unless it is None, the stack's `last_hidden_state` becomes
            [examples, 1, hidden_size], these tokens or means alone: the mean of a single token is that token.
    """

    reads: Reads

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        """Change the output in place.

        Raises:
            PretrainedError: The output is a tuple (return_dict=False), whose entries cannot be replaced.
        """
        request = kwargs.get("attention_mask")
        if not isinstance(request, MaskRequest) or request.queries.stream is None:
            return
        if not isinstance(output, ModelOutput):
            raise PretrainedError("a ragged stream needs return_dict=True; the model was called with return_dict=False")
        stream, states = request.queries.stream, output["last_hidden_state"]
        # Otherwise `ClsOnlyHook` has reduced the states to [1, examples, hidden_size], the tokens that are read.
        is_whole = states.shape[1] == request.queries.padded_length
        if is_whole:
            output["last_hidden_state"] = states = states[:, : stream.total]
        pooler = getattr(module, "pooler", None)
        if pooler is None and self.reads is None:
            return
        if self.reads == "mean":
            output["last_hidden_state"] = means(states[0], stream)[:, None]
            return
        if is_whole:
            bounds = stream.cu_seqlens  # [examples + 1]: each example begins at one bound and ends before the next
            states = states[:, bounds[1:] - 1 if self.reads == "last" else bounds[:-1]]  # [1, examples, hidden_size]
        tokens = states[0, :, None]  # [examples, 1, hidden_size]
        if pooler is not None:
            output["pooler_output"] = _pooled(module, tokens)
        if self.reads is not None:
            output["last_hidden_state"] = tokens


@dataclass(frozen=True)
class EndOfTextHook:
    """A forward pre-hook of T5's text classifier, for a ragged stream.

    The classifier's forward looks for the end-of-text token in each row of `input_ids`, and makes the decoder's input
    by shifting them. So the hook replaces `input_ids` by a row [end of text] for each example, passes the stream's ids
    to the encoder in `Tokens.ids`, and shifts each example itself. The last token of each example must be the end of
    text, as T5's tokenizer produces it.

    The hook must run after the `SourceHook` of the same module, which puts `Tokens` in place of the attention mask.

    Args:
        parameters: Names of the parameters of the model's forward.
    """

    parameters: tuple[str, ...]

    def __call__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        """Return the changed arguments of the call, or None if it is not about a stream."""
        tokens = kwargs.get("attention_mask")
        if not isinstance(tokens, Tokens) or tokens.stream is None:
            return None
        arguments = dict(zip(self.parameters, args, strict=False)) | kwargs
        ids: Tensor = arguments["input_ids"]
        shifted = ids.roll(1, 1)  # [1, tokens]
        # The first token of each example is now the last of the one before: it becomes the start token.
        shifted[0, tokens.stream.starts] = module.config.decoder_start_token_id
        arguments |= {
            "input_ids": ids.new_full((len(tokens.stream.sizes), 1), module.config.eos_token_id),
            "attention_mask": replace(tokens, ids=ids),
            "decoder_input_ids": shifted,
            "decoder_layout": tokens.stream,
            "use_cache": False,
        }
        return (), arguments


def shows_states(stack: Any, arguments: Mapping[str, Any]) -> bool:
    """Return whether a call shall return the hidden states of all layers.

    Args:
        stack: An object with the `config` of the called stack.
        arguments: The arguments of the call, of which `output_hidden_states` comes before that of the config.
    """
    asked = arguments.get("output_hidden_states")
    return bool(stack.config.output_hidden_states if asked is None else asked)


def means(tokens: Tensor, stream: Ragged) -> Tensor:
    """Return the mean of each example's tokens, [examples, hidden_size], for tokens [tokens, hidden_size].

    Sums are of float32 at least: adding thousands of tokens in bfloat16 one after another would lose most of them.
    """
    wide = tokens if tokens.dtype == torch.float64 else tokens.float()
    totals = wide.new_zeros(len(stream.sizes), tokens.shape[1]).index_add(0, stream.example_ids, wide)
    return (totals / stream.lengths[:, None]).to(tokens.dtype)


def _pooled(module: Any, tokens: Tensor) -> Tensor:
    """Return the output of a stack's pooler, [examples, hidden_size], for tokens [examples, 1, hidden_size]."""
    pooled: Tensor
    if hasattr(module, "pooler_activation"):  # ALBERT's pooler is a linear layer alone
        pooled = module.pooler_activation(module.pooler(tokens[:, 0]))
    else:
        pooled = module.pooler(tokens)
    return pooled


@dataclass(frozen=True)
class RelativeBiasHook:
    """A forward pre-hook of T5's attention, which replaces the relative bias of a stream by a table of distances.

    T5 would compute the bias [1, heads, tokens, tokens] of all pairs of the stream. It depends on the distance of key
    and query alone, so that the table [1, heads, 1, 2 * longest - 1] is enough; distance 0 is in its middle.
    transformers passes it on to the following layers.
    """

    def __call__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        """Return the call with the table, or None if it is not about a stream."""
        masks = kwargs.get("mask")
        if not isinstance(masks, SiteMasks) or masks.request.queries.stream is None:
            return None
        if kwargs.get("position_bias") is None:
            kwargs["position_bias"] = self._table(module, masks.request)
        return args, kwargs

    def _table(self, module: Any, request: MaskRequest) -> Tensor:
        if request.site == "cross":  # T5 adds a bias of zeros to cross-attention
            return torch.zeros(1, 1, 1, 1, device=request.keys.device)
        weight = module.relative_attention_bias.weight
        most = max(request.queries.longest, 1) - 1
        distances = torch.arange(-most, most + 1, device=weight.device)  # [2 * longest - 1], key minus query
        buckets = module._relative_position_bucket(
            distances,
            bidirectional=not module.is_decoder,
            num_buckets=module.relative_attention_num_buckets,
            max_distance=module.relative_attention_max_distance,
        )
        table: Tensor = module.relative_attention_bias(buckets)  # [distances, heads]
        return table.T[None, :, None]  # [1, heads, 1, distances]


def bias_table(position_bias: Tensor | None, request: MaskRequest) -> Tensor | None:
    """Return the table [heads, distances] in the bias that T5 passes to its attention for a stream.

    Args:
        position_bias: The bias that the attention function was called with: the table of `RelativeBiasHook`, zeros
            [1, 1, 1, 1] in cross-attention, or None.
        request: The request for the masks of the site.

    Returns:
        The table, or None if there is no bias.

    Raises:
        PretrainedError: The bias has another shape.
    """
    if position_bias is None or (request.site == "cross" and position_bias.shape == (1, 1, 1, 1)):
        return None
    expected = (1, request.num_heads, 1, 2 * max(request.queries.longest, 1) - 1)
    if not request.has_relative_bias or position_bias.shape != expected:
        raise PretrainedError(
            f"the attention of site {request.site!r} was given a bias of shape {list(position_bias.shape)} for a "
            f"ragged stream, expected {list(expected)}; this version of transformers computes it in another way"
        )
    return position_bias[0, :, 0]


def to_rows(encoded: ModelOutput, layout: Ragged) -> tuple[ModelOutput, Tensor]:
    """Convert an encoder's output for a stream to padded rows, which generation with a cache needs.

    Args:
        encoded: The encoder's output: `last_hidden_state` [1, tokens, hidden_size], and the columns and values that
            `CarryHook` added.
        layout: Where the examples lie in the stream.

    Returns:
        The output with `last_hidden_state` [examples, longest, hidden_size], columns [examples, longest] and values
        [examples]; and its attention mask, int64 [examples, longest], 1 at tokens and 0 at padding.
    """
    rows = layout.to_padded()
    padded = {
        key: pad(tensor[0], rows)
        for key, tensor in encoded.items()
        if key == "last_hidden_state" or key.startswith(COLUMN_KEY)
    }
    values = {key: tensor for key, tensor in encoded.items() if key.startswith(VALUE_KEY)}
    output = BaseModelOutput(last_hidden_state=padded.pop("last_hidden_state"))
    for key, tensor in (padded | values).items():
        output[key] = tensor
    return output, rows.valid.long()


def why_no_stream(model: PreTrainedModel, stack: AttentionStack) -> str | None:
    """Return why a stack of a model cannot read ragged streams, for a message; None if it can."""
    if (reason := stack.why_no_stream_positions) is not None:
        return reason
    name, pooling = type(model).__name__, _pooling(stack.module)
    if read_token(model, stack.module) and pooling not in ("cls", "mean"):
        return f"it is not known what its head reads of a row (classifier_pooling={pooling!r})"
    # Heads for tokens read each hidden state by itself; those for texts are handled by `PoolHook`.
    known = (None, "ForTokenClassification", "ForSequenceClassification", "ForMaskedLM", "ForConditionalGeneration")
    _, separator, head = name.partition("For")
    return None if (separator + head or None) in known else f"{name} has a head that reads rows"


def finds_ends(model: PreTrainedModel) -> bool:
    """Return whether the model looks for the end-of-text token in each row, as T5's text classifier does."""
    is_classifier = type(model).__name__.endswith("ForSequenceClassification")
    return is_classifier and any(stack.family.finds_ends for stack in find_stacks(model))


def _pooling(stack: PreTrainedModel) -> object:
    """Return what a classifier reads of a row in architectures that leave the choice, as ModernBERT does."""
    return getattr(stack.config, "classifier_pooling", "cls")


def read_token(model: PreTrainedModel, stack: PreTrainedModel) -> Reads:
    """Return what the model's head reads of each example in a stack's output; None if it reads all tokens."""
    if finds_ends(model):
        return "last" if stack.config.is_decoder else None
    if not type(model).__name__.endswith("ForSequenceClassification"):
        return None
    return "mean" if _pooling(stack) == "mean" else "first"
