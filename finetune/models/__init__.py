"""Models and their tokenizers, from the recipe's `model` section.

The package loads pretrained models, builds models from scratch, trains their tokenizers, adds adapters, and checks
which models fit which task. It does not depend on data sets, batches, losses or attention masks.
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
