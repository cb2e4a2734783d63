"""Kernels compute attention under a mask: `dense` is the reference, and every other kernel must equal it.

`tiled` serves ragged streams, `fused` padded rows, `decode` a step of generation, `flex` streams on CUDA.

A kernel takes tensors and what a plan found out about the mask; it knows neither models nor layouts of batches.
"""

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.tiled import tiled_attention

__all__ = ["dense_attention", "tiled_attention"]
