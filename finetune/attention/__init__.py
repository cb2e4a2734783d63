"""Attention under masks: the language of masks, the layouts of examples in memory, and the kernels that use both.

This package imports no other package of finetune. Importing it, `masks` or `program` does not import torch, so that the
masks of a recipe are checked before heavy libraries are loaded. Everything that computes with tensors is imported from
its own module: `layout`, `kernels`, `layers`, `pretrained`, `drawing`.
"""

from finetune.attention.layer_numbers import ProgramError
from finetune.attention.masks import Mask, MaskError, MaskSyntaxError, parse
from finetune.attention.program import Program, Site

__all__ = ["Mask", "MaskError", "MaskSyntaxError", "Program", "ProgramError", "Site", "parse"]
