"""The reference kernel: attention as it is defined, with all scores in memory.

It is scaled dot-product attention (Vaswani et al., arXiv 1706.03762, section 3.2.1), where masked positions are
excluded before the softmax.
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
    """Compute softmax attention over the allowed keys.

    The output of a query that may attend to no key is 0, and so is its gradient.

    Args:
        query: [batch, heads, queries, head_dim].
        key: [batch, heads, keys, head_dim].
        value: [batch, heads, keys, value head_dim].
        allowed: bool, True means attend, broadcastable to [batch, heads, queries, keys]; None allows all pairs.
        bias: Finite numbers that are added to the scaled scores, broadcastable to [batch, heads, queries, keys].
        scale: Factor of the scores; head_dim ** -0.5 if not given (T5 uses 1).
        dropout: Probability with which an attention weight is dropped; the others are scaled up. 0 outside training.
        dtype: Type of the computation and of the results, such as float64 in tests; that of the query if not given.

    Returns:
        The output [batch, heads, queries, value head_dim], and the attention weights after dropout [batch, heads,
        queries, keys].

    Raises:
        TypeError: `allowed` is not boolean: a mask of 0 and 1, or one with -inf, must be converted first.
    """
    _check_boolean(allowed)
    query, key, value = (tensor.to(dtype or query.dtype) for tensor in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    scores = query @ key.mT * scale  # [batch, heads, queries, keys]
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    weights = torch.nn.functional.dropout(_softmax(scores, allowed), dropout)  # [batch, heads, queries, keys]
    return weights @ value, weights


def _check_boolean(allowed: Tensor | None) -> None:
    if allowed is not None and allowed.dtype != torch.bool:
        raise TypeError(f"allowed must be boolean with True for attend, got {allowed.dtype}")


def _softmax(scores: Tensor, allowed: Tensor | None) -> Tensor:
    """Return the softmax over the allowed keys, [batch, heads, queries, keys]; all 0 in rows without any."""
    if allowed is None:
        return scores.softmax(-1)
    # The softmax of a row of -inf alone is NaN, as is its gradient: such a row keeps its scores and is then set to 0.
    empty = ~allowed.any(-1, keepdim=True)  # [batch, heads, queries, 1]
    weights = scores.masked_fill(~allowed & ~empty, -torch.inf).softmax(-1)
    return weights.masked_fill(empty, 0.0)
