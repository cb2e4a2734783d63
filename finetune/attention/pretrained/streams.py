"""What a pretrained model needs beside its masks to read a ragged stream.

The model sees a stream as one long row. Two of its parts would take that literally: heads that read a row's first
token, and a relative bias that is made for every pair of the row.
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

Reads = Literal["first", "last"] | None
"""Which token of each example a head of the model reads, and nothing else; None for heads that read all."""


@dataclass(frozen=True)
class PoolHook:
    """A forward hook of a stack: each example of a stream is pooled, not the row that they make; padding is cut off.

    Args:
        reads: What a head reads of the stack's output; where it is one token, it is given those alone, as
            [examples, 1, hidden_size].
    """

    reads: Reads

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        """Change the output in place. Raises PretrainedError where it has no names."""
        request = kwargs.get("attention_mask")
        if not isinstance(request, MaskRequest) or request.queries.stream is None:
            return
        if not isinstance(output, ModelOutput):
            raise PretrainedError("a ragged stream needs return_dict=True")
        stream, states = request.queries.stream, output["last_hidden_state"]
        is_whole = (
            states.shape[1] == request.queries.padded_length
        )  # else `ClsOnlyHook` has left the tokens that are read
        if is_whole:
            output["last_hidden_state"] = states = states[:, : stream.total]
        pooler = getattr(module, "pooler", None)
        if pooler is None and self.reads is None:
            return
        if is_whole:
            bounds = stream.cu_seqlens
            states = states[:, bounds[1:] - 1 if self.reads == "last" else bounds[:-1]]
        tokens = states[0, :, None]  # [examples, 1, hidden_size]
        if pooler is not None:
            output["pooler_output"] = _pooled(module, tokens)
        if self.reads is not None:
            output["last_hidden_state"] = tokens


@dataclass(frozen=True)
class EndOfTextHook:
    """A forward pre-hook of T5's classifier of texts, which finds the end-of-text token of each row by itself.

    The stream goes on to the encoder beside the call; what is left of the call is a row of its end for each example.
    Each example's last token must be the end of text, as T5's tokenizer gives it.

    Args:
        parameters: The names of the model's forward's parameters.
    """

    parameters: tuple[str, ...]

    def __call__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        """The same call for the rows' ends, where it is one of a stream."""
        tokens = kwargs.get("attention_mask")
        if not isinstance(tokens, Tokens) or tokens.stream is None:
            return None
        arguments = dict(zip(self.parameters, args, strict=False)) | kwargs
        ids: Tensor = arguments["input_ids"]
        shifted = ids.roll(1, 1)
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
    """Whether a call of a stack, or of what belongs to its `config`, asks for the hidden states of all layers."""
    asked = arguments.get("output_hidden_states")
    return bool(stack.config.output_hidden_states if asked is None else asked)


def _pooled(module: Any, tokens: Tensor) -> Tensor:
    pooled: Tensor
    if hasattr(module, "pooler_activation"):  # ALBERT's pooler is a linear layer alone
        pooled = module.pooler_activation(module.pooler(tokens[:, 0]))
    else:
        pooled = module.pooler(tokens)
    return pooled


@dataclass(frozen=True)
class RelativeBiasHook:
    """A forward pre-hook of T5's attention: for a stream, the bias is a table of distances, not of pairs.

    The table is [1, heads, 1, distances], its middle distance 0; transformers hands it on to the following layers.
    """

    def __call__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]] | None:
        """The same call with the table, where the module would make the bias itself."""
        masks = kwargs.get("mask")
        if not isinstance(masks, SiteMasks) or masks.request.queries.stream is None:
            return None
        if kwargs.get("position_bias") is None:
            kwargs["position_bias"] = self._table(module, masks.request)
        return args, kwargs

    def _table(self, module: Any, request: MaskRequest) -> Tensor:
        if request.site == "cross":  # T5 would add zeros
            return torch.zeros(1, 1, 1, 1, device=request.keys.device)
        weight = module.relative_attention_bias.weight
        most = max(request.queries.longest, 1) - 1
        distances = torch.arange(-most, most + 1, device=weight.device)
        buckets = module._relative_position_bucket(
            distances,
            bidirectional=not module.is_decoder,
            num_buckets=module.relative_attention_num_buckets,
            max_distance=module.relative_attention_max_distance,
        )
        table: Tensor = module.relative_attention_bias(buckets)  # [distances, heads]
        return table.T[None, :, None]


def bias_table(position_bias: Tensor | None, request: MaskRequest) -> Tensor | None:
    """The table [heads, distances] in what T5 hands its attention.

    Raises:
        PretrainedError: It is something else.
    """
    if position_bias is None or (request.site == "cross" and position_bias.shape == (1, 1, 1, 1)):
        return None
    expected = (1, request.num_heads, 1, 2 * max(request.queries.longest, 1) - 1)
    if not request.has_relative_bias or position_bias.shape != expected:
        raise PretrainedError(
            f"the attention of site {request.site!r} was handed a bias of shape {list(position_bias.shape)} for a "
            f"ragged stream, expected {list(expected)}; this version of transformers makes it in another way"
        )
    return position_bias[0, :, 0]


def to_rows(encoded: ModelOutput, layout: Ragged) -> tuple[ModelOutput, Tensor]:
    """An encoder's output of a stream as padded rows, as generation with a cache reads it.

    Args:
        encoded: With last_hidden_state [1, tokens, hidden_size], and what masks will read of the source.
        layout: Where the examples lie.

    Returns:
        The output, last_hidden_state [examples, longest, hidden_size], and its attention mask, int64 [examples,
        longest].
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
    """Why a stack cannot read a ragged stream in this model; None where it can."""
    if (reason := stack.why_no_stream_positions) is not None:
        return reason
    name, config = type(model).__name__, stack.module.config
    if read_token(model, stack.module) and getattr(config, "classifier_pooling", "cls") != "cls":
        return f"its head averages a row's tokens (classifier_pooling={config.classifier_pooling!r})"
    known = (None, "ForTokenClassification", "ForSequenceClassification", "ForMaskedLM", "ForConditionalGeneration")
    _, separator, head = name.partition("For")
    return None if (separator + head or None) in known else f"{name} has a head that reads rows"


def finds_ends(model: PreTrainedModel) -> bool:
    """Whether the model looks for the end of text in each row, as T5's classifier of texts does."""
    is_classifier = type(model).__name__.endswith("ForSequenceClassification")
    return is_classifier and any(stack.family.finds_ends for stack in find_stacks(model))


def read_token(model: PreTrainedModel, stack: PreTrainedModel) -> Reads:
    """Which token of each example the model's head reads of the stack's output."""
    if finds_ends(model):
        return "last" if stack.config.is_decoder else None
    return "first" if type(model).__name__.endswith("ForSequenceClassification") else None
