"""Attention in a step of generation: one query a row; rows with the same keys, such as beams, share them.

With a single query a row, attention is bound by reading keys and values. The beams of an example have one source: laid
side by side as queries of one row, they read its keys and values once, in a matrix product in place of one product of a
vector for each.
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
    """Softmax attention of one query a row: the output of `dense_attention` with keys and values repeated.

    A query that may attend to nothing yields zeros.

    Args:
        query: [rows, heads, 1, head_dim]; rows that share keys stand together.
        key: [examples, heads, keys, head_dim], each of which is read by rows / examples rows.
        value: [examples, heads, keys, value head_dim].
        allowed: Who may attend to whom, of the rows.
        bias: Added to the scaled scores, broadcastable to [rows, heads, 1, keys]; finite.
        scale: Factor of the scores; head_dim ** -0.5 if not given (T5 uses 1).
        dropout: Probability with which a weight is dropped, the others scaled up; 0 outside training.

    Returns:
        [rows, heads, 1, value head_dim].
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
    output = weights.to(value.dtype) @ value
    output = output.transpose(1, 2).reshape(rows, heads, 1, value.shape[-1])
    return output if allowed.empty is None else output.masked_fill(allowed.empty, 0.0)


def _side_by_side(tensor: Tensor, examples: int) -> Tensor:
    """[rows, heads, 1, size] as [examples, heads, rows of an example, size]; a single row, shared by all, stays."""
    rows, heads, _, size = tensor.shape
    return tensor if rows == 1 else tensor.view(examples, rows // examples, heads, size).transpose(1, 2)
