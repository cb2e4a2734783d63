"""Masks in pretrained models. No other package depends on the internals of transformers' models.

This package holds `apply_masks` with all that it needs (the supported models, the hooks, the two functions registered
with transformers), and reads pretrained weights into the layers from scratch. It does not depend on tasks, data or
losses.

How it works. In transformers, one name stands for a function that makes masks and a function that computes attention.
Ours are registered as "finetune_masks" (`interface`), and the model is set to use them (`implementation`). A hook
before each stack of layers (`hooks`) replaces the attention mask by a `MaskRequest`, which holds the padding, the
columns and the masks of the program. transformers passes it to the mask function, which evaluates each different mask
once (`evaluate`). The result reaches every layer, where the attention module's `MaskAssignment` says which of the masks
to use. Nothing is kept between calls, and an argument that does not have the expected form raises `PretrainedError`.
"""

from finetune.attention.pretrained.apply import (
    apply_masks,
    apply_saved_masks,
    check_sites,
    reads_streams,
    remove_masks,
    saved_masks,
)
from finetune.attention.pretrained.caching import can_cache, shares_source
from finetune.attention.pretrained.config_names import CONFIG_KEY
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.families import supported
from finetune.attention.pretrained.family import (
    Family,
    families,
    find_family,
    like_bert,
    like_t5,
    register_family,
    unregister_family,
)
from finetune.attention.pretrained.generation import generate
from finetune.attention.pretrained.known_families import KNOWN_FAMILIES
from finetune.attention.pretrained.reachability import head_reads, layer_pairs
from finetune.attention.pretrained.record import layers_of, recorded_requests
from finetune.attention.pretrained.special_tokens import special_token_ids
from finetune.attention.pretrained.streams import to_rows

__all__ = [
    "CONFIG_KEY",
    "KNOWN_FAMILIES",
    "Family",
    "PretrainedError",
    "apply_masks",
    "apply_saved_masks",
    "can_cache",
    "check_sites",
    "families",
    "find_family",
    "generate",
    "head_reads",
    "layer_pairs",
    "layers_of",
    "like_bert",
    "like_t5",
    "reads_streams",
    "recorded_requests",
    "register_family",
    "remove_masks",
    "saved_masks",
    "shares_source",
    "special_token_ids",
    "supported",
    "to_rows",
    "unregister_family",
]
