"""The language of attention masks: expressions that say who may attend to whom in one example.

A mask is a predicate over (example, head, query position, key position). Padding, packing and kernels are no part of
it, and importing this package does not import torch. Each kind of mask has a module of its own, and
`parse(str(mask)) == mask` for every mask. Score terms, which are added to a mask by `+`, are numbers for the pairs that
it allows.
"""

from finetune.attention.masks.alibi import alibi
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.before import before
from finetune.attention.masks.bias import bias
from finetune.attention.masks.blocks import blocks
from finetune.attention.masks.bounds import Bounds, Span
from finetune.attention.masks.causal import causal
from finetune.attention.masks.custom import custom, register_predicate
from finetune.attention.masks.dilated import dilated
from finetune.attention.masks.errors import MaskArgumentError, MaskError, MaskSyntaxError, MissingColumn
from finetune.attention.masks.full import full, none
from finetune.attention.masks.global_tokens import global_tokens
from finetune.attention.masks.near import near
from finetune.attention.masks.one_sided import keys, queries
from finetune.attention.masks.parse import parse
from finetune.attention.masks.per_head import per_head
from finetune.attention.masks.prefix import prefix
from finetune.attention.masks.random_keys import random_keys
from finetune.attention.masks.registry import mask_names, register_mask
from finetune.attention.masks.same import same
from finetune.attention.masks.score import register_score, score
from finetune.attention.masks.scored import ScoredMask, ScoreTerm
from finetune.attention.masks.strided import strided
from finetune.attention.masks.window import window

__all__ = [
    "Bounds",
    "Mask",
    "MaskArgumentError",
    "MaskError",
    "MaskSyntaxError",
    "MissingColumn",
    "Needs",
    "ScoreTerm",
    "ScoredMask",
    "Span",
    "alibi",
    "before",
    "bias",
    "blocks",
    "causal",
    "custom",
    "dilated",
    "full",
    "global_tokens",
    "keys",
    "mask_names",
    "near",
    "none",
    "parse",
    "per_head",
    "prefix",
    "queries",
    "random_keys",
    "register_mask",
    "register_predicate",
    "register_score",
    "same",
    "score",
    "strided",
    "window",
]
