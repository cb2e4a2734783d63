"""Text generation with encoder-decoders: the texts of transformers' `generate`, without computing finished examples.

This package holds greedy and beam search, the cache that follows the beams, and the loop in which an example leaves its
batch as soon as its text is certain. transformers prepares the rules of a text (special tokens, lengths, logits
processors); for settings that are not supported here, its own search is used. The package does not depend on tasks,
data or tokenizers.
"""

from finetune.generation.generate import generate

__all__ = ["generate"]
