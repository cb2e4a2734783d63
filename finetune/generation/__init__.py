"""Texts from encoder-decoders: what transformers' `generate` writes, at the cost of what is still being written.

Here live greedy and beam search, the cache that follows the beams, and the loop that lets an example leave its batch as
soon as its text is certain. The rules of a text (special tokens, lengths, processors of scores) are prepared by
transformers; what is not known here is left to its own search. Nothing here knows tasks, data or tokenizers.
"""

from finetune.generation.generate import generate

__all__ = ["generate"]
