"""From the recipe's `model` section to a transformers model and its tokenizer.

Here lives what loads pretrained models, builds models from scratch, trains their tokenizers, and says which models fit
which task. Nothing here knows data sets, batches, losses or attention masks.
"""

from finetune.models.adapters import adapt, is_adapted, learns_prefix, merge_adapter
from finetune.models.depth import layers_below_top
from finetune.models.families import Head, check_head, check_length, family, max_positions
from finetune.models.freezing import freeze, trained_share
from finetune.models.load import load_model, load_tokenizer
from finetune.models.saving import save_weights

__all__ = [
    "Head",
    "adapt",
    "check_head",
    "check_length",
    "family",
    "freeze",
    "is_adapted",
    "layers_below_top",
    "learns_prefix",
    "load_model",
    "load_tokenizer",
    "max_positions",
    "merge_adapter",
    "save_weights",
    "trained_share",
]
