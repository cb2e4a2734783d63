"""The fast kernel for padded rows: torch's scaled_dot_product_attention with a boolean mask and the results of `dense`.

Where torch has a fused kernel, the scores are never held in memory; therefore there are no attention weights to return.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True, eq=False)
class Allowed:
    """A boolean mask, prepared once for all layers that share it; use `Allowed.of` to build one.

    Args:
        pairs: bool, True means attend, broadcastable to [batch, heads, queries, keys]; every row allows at least one
            key. None allows all pairs.
        empty: bool, broadcastable to [batch, heads, queries, 1], the queries that may attend to no key, whose rows of
            `pairs` are arbitrary; None where there are none.
        causal: Whether `pairs` is the lower triangle of a square, for which torch has a faster kernel.
    """

    pairs: Tensor | None = None
    empty: Tensor | None = None
    causal: bool = False

    @classmethod
    def of(cls, pairs: Tensor) -> Allowed:
        """Prepare a mask.

        Args:
            pairs: bool, True means attend, broadcastable to [batch, heads, queries, keys]; there may be rows that allow
                no key.
        """
        empty = ~pairs.any(-1, keepdim=True)
        # Compiled code cannot branch on values: there `empty` is always set, although usually no row is empty.
        if not torch.compiler.is_compiling() and not empty.any():
            return cls(pairs)
        return cls(pairs | empty, empty)

    @property
    def exact(self) -> Tensor | None:
        """The allowed pairs, where rows that allow no key are False; None allows all pairs."""
        return self.pairs if self.pairs is None or self.empty is None else self.pairs & ~self.empty

    @classmethod
    def triangle(cls, length: int, device: torch.device) -> Allowed:
        """Return the causal mask of a square, with pairs bool [1, 1, length, length]."""
        return cls(torch.ones(1, 1, length, length, dtype=torch.bool, device=device).tril(), None, True)


EVERYTHING = Allowed()
"""The mask that allows all pairs."""


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
    """Compute softmax attention over the allowed keys, with the output and the gradients of `dense_attention`.

    The output of a query that may attend to no key is 0, and so is its gradient.

    Args:
        query: [batch, heads, queries, head_dim].
        key: [batch, heads, keys, head_dim].
        value: [batch, heads, keys, value head_dim].
        allowed: Who may attend to whom.
        bias: Finite numbers that are added to the scaled scores, broadcastable to [batch, heads, queries, keys].
        scale: Factor of the scores; head_dim ** -0.5 if not given (T5 uses 1).
        dropout: Probability with which an attention weight is dropped; the others are scaled up. 0 outside training.

    Returns:
        [batch, heads, queries, value head_dim].
    """
    causal = allowed.causal and bias is None  # torch takes is_causal or a mask, not both
    additive = allowed.pairs if bias is None else _excluded(bias.to(query.dtype), allowed.pairs)
    output = F.scaled_dot_product_attention(
        query, key, value, None if causal else additive, dropout_p=dropout, is_causal=causal, scale=scale
    )
    return output if allowed.empty is None else output.masked_fill(allowed.empty, 0.0)


def _excluded(bias: Tensor, pairs: Tensor | None) -> Tensor:
    """Return the bias with -inf at pairs that are not allowed."""
    return bias if pairs is None else bias.masked_fill(~pairs, -torch.inf)
