"""What a pretrained model needs beside its masks to read a ragged stream.

The model sees a stream as one long row. Two of its parts would take that literally: heads that read a row's first
token, and a relative bias that is made for every pair of the row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.evaluate import SiteMasks
from finetune.attention.pretrained.tokens import Request


@dataclass(frozen=True)
class FirstTokensHook:
    """A forward hook of a stack: each example of a stream is pooled, not the row that they make.

    Args:
        head_reads_first: Whether a head of the model reads nothing but the first token's hidden state; it is then
            given those, as [examples, 1, width].
    """

    head_reads_first: bool

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        """Change the output in place. Raises PretrainedError where it has no names."""
        request = kwargs.get("attention_mask")
        if not isinstance(request, Request) or request.queries.stream is None:
            return
        if not isinstance(output, ModelOutput):
            raise PretrainedError("a ragged stream needs return_dict=True")
        pooler = getattr(module, "pooler", None)
        if pooler is None and not self.head_reads_first:
            return
        first = output["last_hidden_state"][0, request.queries.stream.starts, None]  # [examples, 1, width]
        if pooler is not None:
            output["pooler_output"] = _pooled(module, first)
        if self.head_reads_first:
            output["last_hidden_state"] = first


def _pooled(module: Any, first: Tensor) -> Tensor:
    pooled: Tensor
    if type(module).__name__ == "AlbertModel":  # whose pooler is a linear layer alone
        pooled = module.pooler_activation(module.pooler(first[:, 0]))
    else:
        pooled = module.pooler(first)
    return pooled


@dataclass(frozen=True)
class BiasHook:
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

    def _table(self, module: Any, request: Request) -> Tensor:
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


def bias_table(position_bias: Tensor | None, request: Request) -> Tensor | None:
    """The table [heads, distances] in what T5 hands its attention.

    Raises:
        PretrainedError: It is something else.
    """
    if position_bias is None or (request.site == "cross" and position_bias.shape == (1, 1, 1, 1)):
        return None
    expected = (1, request.num_heads, 1, 2 * max(request.queries.longest, 1) - 1)
    if not request.biased or position_bias.shape != expected:
        raise PretrainedError(
            f"the attention of site {request.site!r} was handed a bias of shape {list(position_bias.shape)} for a "
            f"ragged stream, expected {list(expected)}; this version of transformers makes it in another way"
        )
    return position_bias[0, :, 0]


def why_no_stream(model: PreTrainedModel, stack: PreTrainedModel) -> str | None:
    """Why a stack cannot read a ragged stream in this model; None where it can."""
    if type(stack).__name__ == "UMT5Stack":
        return "UMT5 makes its relative bias for every pair of tokens, in each layer"
    name = type(model).__name__
    if "T5For" in name and reads_first_token(model):
        return f"{name} has a head that looks for the end of each row"
    if reads_first_token(model) and getattr(stack.config, "classifier_pooling", "cls") != "cls":
        return f"its head averages a row's tokens (classifier_pooling={stack.config.classifier_pooling!r})"
    known = (None, "ForTokenClassification", "ForSequenceClassification", "ForMaskedLM", "ForConditionalGeneration")
    _, separator, head = name.partition("For")
    return None if (separator + head or None) in known else f"{name} has a head that reads rows"


def reads_first_token(model: PreTrainedModel) -> bool:
    """Whether the model's head classifies by each row's first token."""
    return type(model).__name__.endswith("ForSequenceClassification")
