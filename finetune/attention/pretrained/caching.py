"""What a decoder with masks allows of a cache: whether what is computed of a token stands, and what rows may share."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn
from transformers import PreTrainedModel

from finetune.attention.masks import Mask
from finetune.attention.pretrained.apply import STATE, AppliedMasks
from finetune.attention.pretrained.evaluate import never_ahead
from finetune.attention.pretrained.families import AttentionStack, find_stacks
from finetune.attention.program import Program


def can_cache(model: nn.Module) -> bool:
    """Whether text can be generated with a cache under the model's masks, so that each step computes one token.

    False where the decoder's masks may let a token see later ones, which change what is known of it, or read columns of
    tokens, of which the cache has none: then generate with use_cache=False. A model without masks can cache.
    """
    return all(
        _is_cacheable(mask)
        for program, stack in _decoders(model)
        for mask in program.by_layer("decoder", stack.num_layers)
    )


def shares_source(model: nn.Module) -> bool:
    """Whether in a step of generation rows may share the keys and values of their source.

    The cache then holds them as [examples, heads, keys, head_dim], each read by the rows / examples rows that stand
    together. False for a model without masks, whose attention is of transformers, and where it gives its weights.
    """
    configs = [stack.module.config for _, stack in _decoders(model)]
    return bool(configs) and not any(getattr(config, "output_attentions", False) for config in configs)


def _decoders(model: nn.Module) -> Iterator[tuple[Program, AttentionStack]]:
    """The decoders that were given masks, with their program."""
    for module in model.modules():
        applied = getattr(module, STATE, None)
        if isinstance(module, PreTrainedModel) and isinstance(applied, AppliedMasks):
            for stack in find_stacks(module):
                if stack.site == "decoder":
                    yield applied.program, stack


def _is_cacheable(mask: Mask) -> bool:
    return never_ahead(mask) and not mask.needs.columns
