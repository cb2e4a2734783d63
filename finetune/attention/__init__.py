"""Attention under masks: the expression language, where examples lie in memory, and the kernels that obey both.

The heart of the toolkit; it imports nothing else of finetune. Importing this package, `masks` or `program` does not
import torch, so that a recipe's masks are checked before anything heavy is loaded. What works on tensors is
imported from its own module: `layout`, `kernels`, `layers`, `pretrained`, `drawing`.
"""

from finetune.attention.masks import Mask, MaskError, MaskSyntaxError, parse
from finetune.attention.program import Program, ProgramError, Site

__all__ = ["Mask", "MaskError", "MaskSyntaxError", "Program", "ProgramError", "Site", "parse"]
