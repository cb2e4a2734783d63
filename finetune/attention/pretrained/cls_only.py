"""Models whose head reads each example's first token, [CLS], alone: their last layer computes no other token.

In the last attention, only the [CLS] tokens are queries (`cls_only_attention`); what follows it in the layer is given
their states alone (`ClsOnlyHook`). Nobody reads what is left out, unless the hidden states are asked for.
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
    """A forward hook of the last attention: it hands on the states of each example's [CLS] alone.

    Args:
        config: Of the stack; where it asks for hidden states, they are those of all tokens.
    """

    config: PreTrainedConfig

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> Any:
        """The first token of each example, [1, examples, hidden_size] of [1, tokens, hidden_size]."""
        masks = next((one for one in (*args, *kwargs.values()) if isinstance(one, SiteMasks)), None)
        stream = None if masks is None else masks.request.queries.stream
        if stream is None or shows_states(self, kwargs) or not isinstance(output, tuple):
            return None
        return output[0][:, stream.cu_seqlens[:-1]], *output[1:]


def last_attention(stack: AttentionStack, reads: Reads) -> nn.Module | None:
    """The module of a stack after which no token reads another, whose output a `ClsOnlyHook` can cut.

    None where the model's head reads more than each example's first token, or the family does not name the module.
    """
    if reads != "first":
        return None
    return stack.last_attention


def computes_cls_only(module: nn.Module, query: Tensor, options: dict[str, object]) -> bool:
    """Whether a call of an attention that serves [CLS] alone needs no other queries.

    Args:
        module: The attention module.
        query: The queries.
        options: Keyword arguments of the call.
    """
    # On a GPU, planning once more would take longer than what it saves.
    return query.device.type == "cpu" and not shows_states(module, options)


def cls_only_attention(
    query: Tensor, key: Tensor, value: Tensor, masks: SiteMasks, number: int, *, scale: float | None, dropout: float
) -> Tensor:
    """Self-attention of each example's first token alone; the output is 0 at all other tokens.

    Args:
        query: [tokens, heads, head_dim].
        key: [tokens, heads, head_dim].
        value: [tokens, heads, head_dim].
        masks: The masks of the site.
        number: Which of them is in force.
        scale: Factor of the scores; head_dim ** -0.5 if not given.
        dropout: Probability with which a weight is dropped.

    Returns:
        [tokens, heads, head_dim].

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
    output = tiled_attention(query.index_select(0, first), key, value, plan, scale=scale, dropout=dropout)
    return output.new_zeros(len(query), *output.shape[1:]).index_copy(0, first, output)
