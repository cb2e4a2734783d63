"""Virtual tokens: learned vectors that an adapter of peft's puts before the text, which would shift its positions.

Prompt tuning, p-tuning and the like put them among the embeddings, prefix tuning among the keys and values of a cache.
A mask counts positions from the first token of the text, and cannot tell such vectors from tokens. They go together
with the standard masks alone, which look at no position.
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
    """Refuse an adapter with virtual tokens around a model that is given masks.

    Raises:
        PretrainedError: There is one, and the program is not the standard one.
    """
    if program.is_standard:
        return
    for module in model.modules():
        config: Any = getattr(module, "active_peft_config", None)
        if getattr(config, "is_prompt_learning", False):
            kind = getattr(config.peft_type, "value", config.peft_type)
            raise PretrainedError(f"masks do not go with an adapter of the kind {kind}: {REASON}; use LoRA or IA3")


def check_embeddings(masks: Iterable[Mask]) -> None:
    """Refuse embeddings of which nobody says which of them are tokens, as peft hands them over.

    Raises:
        PretrainedError: One of the masks reads positions.
    """
    if reads_positions(masks):
        raise PretrainedError(
            "inputs_embeds alone do not say which of them are tokens of the text; give an attention_mask of integers "
            f"or booleans with them. {REASON[0].upper()}{REASON[1:]}; use LoRA or IA3"
        )


def check_cache(cache: Any, masks: Iterable[Mask]) -> None:
    """Refuse a cache with keys of which no token was computed, as prefix tuning hands it over.

    Args:
        cache: A cache of transformers with keys of the decoder's self-attention.
        masks: The masks of that attention.

    Raises:
        PretrainedError: It is one, and one of the masks reads positions.
    """
    # A token that was computed has also left keys of the source.
    of_source = getattr(cache, "is_updated", None)
    if of_source is not None and not any(of_source.values()) and reads_positions(masks):
        raise PretrainedError(f"the cache holds keys of no token: {REASON}; use LoRA or IA3")


def reads_positions(masks: Iterable[Mask]) -> bool:
    """Whether a mask looks at more than whether a key is before the query."""
    return not {full(), causal()}.issuperset(masks)
