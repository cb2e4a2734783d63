"""Whether a decoder's masks let what is computed of a token stand while the text grows."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel

from finetune.attention.masks import Mask
from finetune.attention.pretrained.apply import STATE, Applied
from finetune.attention.pretrained.evaluate import never_ahead
from finetune.attention.pretrained.families import find_stacks


def can_cache(model: nn.Module) -> bool:
    """Whether text can be generated with a cache under the model's masks, so that each step computes one token.

    False where the decoder's masks may let a token see later ones, which change what is known of it, or read columns of
    tokens, of which the cache has none: then generate with use_cache=False. A model without masks can cache.
    """
    return all(map(_is_cacheable, _decoder_masks(model)))


def _decoder_masks(model: nn.Module) -> set[Mask]:
    masks: set[Mask] = set()
    for module in model.modules():
        applied = getattr(module, STATE, None)
        if isinstance(module, PreTrainedModel) and isinstance(applied, Applied):
            for stack in find_stacks(module):
                if stack.site == "decoder":
                    masks.update(applied.program.by_layer("decoder", stack.num_layers))
    return masks


def _is_cacheable(mask: Mask) -> bool:
    return never_ahead(mask) and not mask.needs.columns
