"""Ways to compute attention under a mask: `dense` is the reference, every other kernel must equal it.

`rectangles` serves ragged streams, `fused` padded rows, `flex` streams on CUDA.

A kernel takes tensors and what a plan found out about the mask; it knows neither models nor layouts of batches.
"""

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.rectangles import rectangle_attention

__all__ = ["dense_attention", "rectangle_attention"]
