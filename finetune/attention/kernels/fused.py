"""The fast path on padded rows: torch's fused attention under a boolean mask, with the semantics of `dense`.

It never holds the scores in memory where torch has a kernel that does not; so it cannot give the weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Allowed:
    """A boolean mask made ready once for all layers that share it; build it by `Allowed.of`.

    Args:
        pairs: bool, True means attend, broadcastable to [batch, heads, queries, keys]; every row allows some key.
            None allows all.
        empty: bool, broadcastable to [batch, heads, queries, 1], the queries that may attend to nothing, whose rows
            in `pairs` mean nothing; None where there are none.
        causal: `pairs` is the lower triangle of a square.
    """

    pairs: Tensor | None = None
    empty: Tensor | None = None
    causal: bool = False

    @classmethod
    def of(cls, pairs: Tensor) -> Allowed:
        """The mask `pairs`, bool, broadcastable to [batch, heads, queries, keys], rows without any key included."""
        empty = ~pairs.any(-1, keepdim=True)
        # Compiled code cannot look at values: there the empty rows, mostly none, are always put apart.
        if not torch.compiler.is_compiling() and not empty.any():
            return cls(pairs)
        return cls(pairs | empty, empty)

    @property
    def exact(self) -> Tensor | None:
        """The pairs, rows without any key included."""
        return self.pairs if self.pairs is None or self.empty is None else self.pairs & ~self.empty

    @classmethod
    def triangle(cls, length: int, device: torch.device) -> Allowed:
        """The causal mask of a square, bool [1, 1, length, length]."""
        return cls(torch.ones(1, 1, length, length, dtype=torch.bool, device=device).tril(), None, True)


EVERYTHING = Allowed()


def fused_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    allowed: Allowed = EVERYTHING,
    *,
    bias: Tensor | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """Softmax attention over the allowed keys: the output of `dense_attention`, and its gradients.

    A query that may attend to nothing yields zeros and passes on zero gradient.

    Args:
        query: [batch, heads, queries, head_dim].
        key: [batch, heads, keys, head_dim].
        value: [batch, heads, keys, value head_dim].
        allowed: Who may attend to whom.
        bias: Added to the scaled scores, broadcastable to [batch, heads, queries, keys]; finite.
        scale: Factor of the scores; head_dim ** -0.5 if not given (T5 uses 1).
        dropout: Probability with which a weight is dropped, the others scaled up; 0 outside training.

    Returns:
        [batch, heads, queries, value head_dim].
    """
    causal = allowed.causal and bias is None
    additive = allowed.pairs if bias is None else _excluded(bias.to(query.dtype), allowed.pairs)
    output = F.scaled_dot_product_attention(
        query, key, value, None if causal else additive, dropout_p=dropout, is_causal=causal, scale=scale
    )
    return output if allowed.empty is None else output.masked_fill(allowed.empty, 0.0)


def _excluded(bias: Tensor, pairs: Tensor | None) -> Tensor:
    """The bias, with -inf where attention is not allowed."""
    return bias if pairs is None else bias.masked_fill(~pairs, -torch.inf)
