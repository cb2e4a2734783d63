"""Tells whether a decoder with masks can use a cache in generation, and whether its rows can share a source."""

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
    """Return whether text can be generated with a cache under the model's masks, so that each step computes one token.

    It is False where the decoder's masks may let a token attend to later ones, so that its hidden states change while
    the text grows, and where they read token columns, which the cache does not hold. Then generate with
    `use_cache=False`. It is True for a model without masks.
    """
    return all(
        _is_cacheable(mask)
        for program, stack in _decoders(model)
        for mask in program.by_layer("decoder", stack.num_layers)
    )


def shares_source(model: nn.Module) -> bool:
    """Return whether rows of one example, such as its beams, can share the source's keys and values in the cache.

    If so, the cache may hold them as [examples, heads, keys, head_dim] for [rows, ...] queries, where the rows of an
    example are consecutive and of equal number. It is False for a model without masks, whose attention function is that
    of transformers, and where attention weights are returned (`output_attentions`).
    """
    # `masked_attention` computes weights by `dense_attention`, which needs keys for each row.
    configs = [stack.module.config for _, stack in _decoders(model)]
    return bool(configs) and not any(getattr(config, "output_attentions", False) for config in configs)


def _decoders(model: nn.Module) -> Iterator[tuple[Program, AttentionStack]]:
    """Yield the decoders of a model to which masks were applied, with their program."""
    for module in model.modules():
        applied = getattr(module, STATE, None)
        if isinstance(module, PreTrainedModel) and isinstance(applied, AppliedMasks):
            for stack in find_stacks(module):
                if stack.site == "decoder":
                    yield applied.program, stack


def _is_cacheable(mask: Mask) -> bool:
    """Return whether earlier tokens need not be computed again under a mask when the text grows."""
    return never_ahead(mask) and not mask.needs.columns
