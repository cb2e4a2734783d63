"""Layouts: where examples lie in memory, as padded rows or one after the other in a ragged stream.

A mask is a predicate over positions in one example. A layout translates these positions into indices in memory; only
here are there padding and neighbouring examples. No pair is ever allowed that touches padding, or that joins tokens of
two examples.
"""

from finetune.attention.layout.layouts import LayoutError, Padded, PaddingSide, Ragged, pad, unpad
from finetune.attention.layout.masks import layout_scope, padded_mask, ragged_mask, special_token_columns
from finetune.attention.layout.scores import dense_scores, padded_scores, ragged_scores

__all__ = [
    "LayoutError",
    "Padded",
    "PaddingSide",
    "Ragged",
    "dense_scores",
    "layout_scope",
    "pad",
    "padded_mask",
    "padded_scores",
    "ragged_mask",
    "ragged_scores",
    "special_token_columns",
    "unpad",
]
