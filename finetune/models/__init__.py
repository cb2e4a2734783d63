"""From the recipe's `model` section to a transformers model and its tokenizer.

Here lives what loads pretrained models, builds models from scratch, trains their tokenizers, and says which models fit
which task. Nothing here knows data sets, batches, losses or attention masks.
"""

from finetune.models.families import Head, check_head, check_length, family, max_positions
from finetune.models.load import load_model, load_tokenizer

__all__ = ["Head", "check_head", "check_length", "family", "load_model", "load_tokenizer", "max_positions"]
