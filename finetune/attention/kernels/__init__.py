"""Kernels: functions that compute attention under a mask.

`dense` is the reference, whose results every other kernel must give. `tiled` computes ragged streams, `fused` padded
rows, `decode` a step of generation, and `flex` ragged streams on CUDA. Kernels take tensors and an attention plan or a
boolean mask, and do not depend on models or on the layout of batches.
"""

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.tiled import tiled_attention

__all__ = ["dense_attention", "tiled_attention"]
