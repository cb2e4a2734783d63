"""Reduces the last layer to the [CLS] tokens where the model's head reads only the first token, [CLS], of each example.

In the last attention, only the [CLS] tokens are queries (`cls_only_attention`), and the rest of the layer gets their
hidden states alone (`ClsOnlyHook`). The other hidden states of the last layer would not be read, unless the hidden
states of all layers are to be returned; then they are all computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedConfig

from finetune.attention.kernels.tiled import tiled_attention
from finetune.attention.planning import plan_cls_only
from finetune.attention.pretrained.evaluate import SiteMasks
from finetune.attention.pretrained.families import AttentionStack
from finetune.attention.pretrained.streams import Reads, shows_states


@dataclass(frozen=True)
class ClsOnlyHook:
    """A forward hook of the last attention, which keeps only the hidden states of each example's [CLS] token.

    Args:
        config: The config of the stack. If its `output_hidden_states` is set, all hidden states are kept.
    """

    config: PreTrainedConfig

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        """Return the output with [1, examples, hidden_size] for [1, tokens, hidden_size]; None to keep it unchanged."""
        masks = next((one for one in (*args, *kwargs.values()) if isinstance(one, SiteMasks)), None)
        stream = None if masks is None else masks.request.queries.stream
        if stream is None or shows_states(self, kwargs) or not isinstance(output, tuple):
            return None
        return output[0][:, stream.cu_seqlens[:-1]], *output[1:]  # each example begins at an entry of cu_seqlens


def last_attention(stack: AttentionStack, reads: Reads) -> nn.Module | None:
    """Return the module of a stack after which no token reads another, whose output a `ClsOnlyHook` can reduce.

    Args:
        stack: The stack.
        reads: The only token of each example that the model's head reads, or None.

    Returns:
        The module, or None if the head reads more than each example's first token, or the family does not name the
        module's class.
    """
    if reads != "first":
        return None
    return stack.last_attention


def computes_cls_only(module: nn.Module, query: Tensor, options: dict[str, object]) -> bool:
    """Return whether a call of the last attention shall compute the [CLS] tokens alone.

    Args:
        module: The attention module.
        query: The queries, of any shape.
        options: The keyword arguments of the call.
    """
    # On a GPU, making one more plan would take longer than the attention that it saves.
    return query.device.type == "cpu" and not shows_states(module, options)


def cls_only_attention(
    query: Tensor, key: Tensor, value: Tensor, masks: SiteMasks, number: int, *, scale: float | None, dropout: float
) -> Tensor:
    """Compute self-attention of each example's first token alone; the output is 0 at all other tokens.

    Args:
        query: The queries, [tokens, heads, head_dim].
        key: The keys, [tokens, heads, head_dim].
        value: The values, [tokens, heads, head_dim].
        masks: The evaluated masks of the site, for a ragged stream.
        number: The index of the module's mask in `masks.request.masks`.
        scale: The factor of the scores; head_dim ** -0.5 if not given.
        dropout: The probability with which a weight is dropped.

    Returns:
        The output, [tokens, heads, head_dim].

    Raises:
        MaskError: The mask cannot be evaluated.
    """
    request = masks.request
    stream = request.queries.ragged
    plan = plan_cls_only(
        request.masks[number],
        stream,
        request.num_heads,
        head_dim=request.head_dim,
        padded_length=request.keys.padded_length,
    )
    first = stream.starts  # [examples]
    # [examples, heads, head_dim]
    output = tiled_attention(query.index_select(0, first), key, value, plan, scale=scale, dropout=dropout)
    return output.new_zeros(len(query), *output.shape[1:]).index_copy(0, first, output)
