"""Attention in a step of generation: each row has a single query, and rows with the same keys share them.

With a single query in each row, the time of attention is that of reading keys and values. The beams of an example have
the same source. Computed as several queries of one row they read its keys and values once, in one matrix product, where
beams as rows of their own need a product of a vector and a matrix for each.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from finetune.attention.kernels.fused import EVERYTHING, Allowed


def decode_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Allowed = EVERYTHING,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Compute softmax attention of one query in each row: `dense_attention` with keys and values repeated.

    The output of a query that may attend to no key is 0.

    Args:
        query: [rows, heads, 1, head_dim]; rows that share keys follow one another.
        key: [examples, heads, keys, head_dim]; the keys of each example are those of rows / examples rows.
        value: [examples, heads, keys, value head_dim].
        allowed: Mask of the rows, broadcastable to [rows, heads, 1, keys].
        bias: Finite numbers that are added to the scaled scores, broadcastable to [rows, heads, 1, keys].
        scale: Factor of the scores; head_dim ** -0.5 if not given (T5 uses 1).
        dropout: Probability with which an attention weight is dropped; the others are scaled up. 0 outside training.

    Returns:
        [rows, heads, 1, value head_dim], of the type of `value`.
    """
    rows, heads, _, head_dim = query.shape
    examples = len(key)
    scale = head_dim**-0.5 if scale is None else scale
    scores = _side_by_side(query * scale, examples) @ key.mT  # [examples, heads, rows of an example, keys]
    if bias is not None:
        scores = scores + _side_by_side(bias, examples).to(scores.dtype)
    if allowed.pairs is not None:
        scores = scores.masked_fill(~_side_by_side(allowed.pairs, examples), -torch.inf)
    weights = F.dropout(scores.softmax(-1, dtype=torch.promote_types(scores.dtype, torch.float32)), dropout)
    output = weights.to(value.dtype) @ value  # [examples, heads, rows of an example, value head_dim]
    output = output.transpose(1, 2).reshape(rows, heads, 1, value.shape[-1])
    return output if allowed.empty is None else output.masked_fill(allowed.empty, 0.0)


def _side_by_side(tensor: Tensor, examples: int) -> Tensor:
    """Return [rows, heads, 1, size] as [examples, heads, rows of an example, size].

    A tensor of a single row, which all rows share, is returned as it is: it broadcasts.
    """
    rows, heads, _, size = tensor.shape
    return tensor if rows == 1 else tensor.view(examples, rows // examples, heads, size).transpose(1, 2)
