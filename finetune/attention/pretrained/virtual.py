"""Refuses virtual tokens, learned vectors that an adapter of peft puts before the text and that shift its positions.

Prompt tuning and p-tuning put them among the embeddings, prefix tuning among the keys and values of a cache. A mask
counts positions from the first token of the text, and cannot tell such vectors from tokens. They can be combined with
the standard masks alone, which read no positions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from finetune.attention.masks import Mask, causal, full
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.program import Program

REASON = (
    "virtual tokens of an adapter (prompt tuning, p-tuning, prefix tuning) would be counted as tokens of the text, and "
    "shift the positions that masks read"
)


def check_adapters(model: nn.Module, program: Program) -> None:
    """Raise an error for an adapter with virtual tokens around a model to which masks are applied.

    Raises:
        PretrainedError: There is such an adapter, and the program is not the standard one.
    """
    if program.is_standard:
        return
    for module in model.modules():
        config: Any = getattr(module, "active_peft_config", None)
        if getattr(config, "is_prompt_learning", False):
            kind = getattr(config.peft_type, "value", config.peft_type)
            raise PretrainedError(
                f"masks cannot be combined with an adapter of the kind {kind}: {REASON}; use LoRA or IA3"
            )


def check_embeddings(masks: Iterable[Mask]) -> None:
    """Raise an error for embeddings without an attention mask, among which peft may have put virtual tokens.

    Args:
        masks: The masks of the site.

    Raises:
        PretrainedError: One of the masks reads positions.
    """
    if reads_positions(masks):
        raise PretrainedError(
            "inputs_embeds alone do not say which of them are tokens of the text; give an attention_mask of integers "
            f"or booleans with them. {REASON[0].upper()}{REASON[1:]}; use LoRA or IA3"
        )


def check_cache(cache: Any, masks: Iterable[Mask]) -> None:
    """Raise an error for a cache with keys that were computed of no token, as prefix tuning passes it.

    Args:
        cache: A cache of transformers with keys of the decoder's self-attention.
        masks: The masks of the decoder's self-attention.

    Raises:
        PretrainedError: The cache has such keys, and one of the masks reads positions.
    """
    # Computing a token also fills the keys of the source, and marks their layers as updated.
    of_source = getattr(cache, "is_updated", None)
    if of_source is not None and not any(of_source.values()) and reads_positions(masks):
        raise PretrainedError(f"the cache holds keys of no token: {REASON}; use LoRA or IA3")


def reads_positions(masks: Iterable[Mask]) -> bool:
    """Return whether one of the masks depends on more than the order of key and query, unlike full() and causal()."""
    return not {full(), causal()}.issuperset(masks)
