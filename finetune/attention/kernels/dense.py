"""The reference: attention as it is defined, with all scores in memory.

Vaswani et al., arXiv 1706.03762, section 3.2.1, with positions excluded before the softmax.
"""

import torch
from torch import Tensor


def dense_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Tensor | None = None,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
    dtype: torch.dtype | None = None,
) -> tuple[Tensor, Tensor]:
    """Softmax attention over the allowed keys.

    A query that may attend to nothing yields zeros and passes on zero gradient.

    Args:
        query: [batch, heads, queries, head_dim].
        key: [batch, heads, keys, head_dim].
        value: [batch, heads, keys, value head_dim].
        allowed: bool, True means attend, broadcastable to [batch, heads, queries, keys]; None allows all.
        bias: Added to the scaled scores, broadcastable to the same shape; finite.
        scale: Factor of the scores; head_dim ** -0.5 if not given (T5 uses 1).
        dropout: Probability with which a weight is dropped, the others scaled up; 0 outside training.
        dtype: Compute and answer in this type, as float64 in tests; the query's if not given.

    Returns:
        The output [batch, heads, queries, value head_dim] and the weights [batch, heads, queries, keys], dropped ones
        being 0.

    Raises:
        TypeError: `allowed` is not boolean: a mask of 0 and 1 or of -inf must be converted first.
    """
    if allowed is not None and allowed.dtype != torch.bool:
        raise TypeError(f"allowed must be boolean with True for attend, got {allowed.dtype}")
    query, key, value = (tensor.to(dtype or query.dtype) for tensor in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = query @ key.mT * scale  # [batch, heads, queries, keys]
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    weights = scores.softmax(-1) if allowed is None else _softmax_over(allowed, scores)
    weights = torch.nn.functional.dropout(weights, dropout)
    return weights @ value, weights


def _softmax_over(allowed: Tensor, scores: Tensor) -> Tensor:
    """Softmax over the allowed keys; all zero where there are none."""
    # A row of -inf alone would be NaN, in the gradient too: such a row keeps its scores and is then set to 0.
    empty = ~allowed.any(-1, keepdim=True)
    weights = scores.masked_fill(~allowed & ~empty, -torch.inf).softmax(-1)
    return weights.masked_fill(empty, 0.0)
