"""Masks in pretrained models: the only place that knows transformers' internals.

Here live `apply_masks` and what it needs (which models, the hooks, the two functions registered with transformers), and
the reading of pretrained weights into the layers from scratch. Nothing here knows tasks, data or losses.

How it works. transformers lets one name stand for a function that makes masks and a function that attends. Ours are
registered as "finetune_masks", and the model is told to use them. A hook before each stack of layers replaces the
attention mask by a request that carries padding, columns and the program's masks; transformers passes it to the mask
function, which evaluates each different mask once; what it gives reaches every layer, whose module knows its site and
mask. Nothing is kept between calls, and whatever does not look as expected is refused.
"""

from finetune.attention.pretrained.apply import (
    apply_masks,
    apply_saved_masks,
    generate,
    reads_streams,
    remove_masks,
    saved_masks,
    special_token_ids,
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
from finetune.attention.pretrained.known_families import KNOWN_FAMILIES
from finetune.attention.pretrained.reachability import head_reads, layer_pairs
from finetune.attention.pretrained.record import layers_of, recorded_requests
from finetune.attention.pretrained.streams import to_rows

__all__ = [
    "CONFIG_KEY",
    "KNOWN_FAMILIES",
    "Family",
    "PretrainedError",
    "apply_masks",
    "apply_saved_masks",
    "can_cache",
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
