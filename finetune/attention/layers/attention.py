"""Multi-head attention under a mask."""

from typing import TypedDict

import torch
from torch import Tensor, nn

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.fused import EVERYTHING, Allowed, fused_attention
from finetune.attention.layers.errors import LayerError
from finetune.attention.layout import dense_scores
from finetune.attention.masks.base import Mask


class _Options(TypedDict):
    """The keyword arguments that all kernels have."""

    bias: Tensor | None
    scale: float
    dropout: float


class MaskedMultiHeadAttention(nn.Module):
    """Multi-head attention under a mask (Vaswani et al., arXiv 1706.03762, section 3.2).

    One module serves self-attention (query, key and value are the same tensor), causal attention (self-attention under
    `causal()`), and cross-attention (keys and values come from another sequence).

    The following points are often implemented in another way; tests/attention/layers/test_mistakes.py shows each
    difference:

    - A key that is not allowed is excluded before the softmax, so that the weights of the other keys sum to 1. If
      weights are set to zero after the softmax, the rows sum to less.
    - The score of an excluded key is minus infinity. Adding the 0 and 1 of a mask to the scores hardly changes them.
    - The projections are reshaped to [queries, heads, head_dim], and then the axis of the heads is moved before that of
      the queries. A reshape to [heads, queries, head_dim] would mix positions.
    - Scores are divided by the square root of head_dim, d_k / n_head, not by that of d_model or of d_k.
    - The output of a query that may attend to no key is the projection of 0, where a softmax over no key is NaN.
    - A decoder must be given a causal mask; this module does not make attention causal.
    - True means attend. A mask in which 1 means ignore must be converted by `to_allowed(mask, "1 = ignore")`.

    Args:
        d_model: Size of the vectors of queries, keys, values and of the output.
        n_head: Number of attention heads.
        d_k: Size of the projected queries and keys of all heads together; d_model if not given.
        d_v: Size of the projected values of all heads together; d_model if not given.
        dropout: Probability with which an attention weight is dropped in training.
        bias: Whether the four projections have biases; those of T5 have none.
        scale: Factor of the scores; (d_k / n_head) ** -0.5 if not given. T5 uses 1.

    Raises:
        LayerError: d_k or d_v is not a multiple of n_head, or a size is below 1.
    """

    def __init__(
        self,
        d_model: int,
        n_head: int,
        d_k: int | None = None,
        d_v: int | None = None,
        dropout: float = 0.0,
        *,
        bias: bool = True,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        d_k, d_v = d_model if d_k is None else d_k, d_model if d_v is None else d_v
        _check_sizes(d_model, n_head, {"d_k": d_k, "d_v": d_v})
        self.n_head = n_head
        self.dropout = dropout
        self.scale = (d_k // n_head) ** -0.5 if scale is None else scale
        self.query = nn.Linear(d_model, d_k, bias)
        self.key = nn.Linear(d_model, d_k, bias)
        self.value = nn.Linear(d_model, d_v, bias)
        self.output = nn.Linear(d_v, d_model, bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | Mask | None = None,
        *,
        position_bias: Tensor | None = None,
        return_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Compute attention.

        Args:
            query: [batch, queries, d_model].
            key: [batch, keys, d_model].
            value: [batch, keys, d_model].
            mask: Who may attend to whom: a bool tensor [batch or 1, heads or 1, queries or 1, keys or 1], True means
                attend, as `padded_mask` returns it; or a Mask that reads no columns, where no row has padding. None
                allows all pairs.
            position_bias: Added to the scaled scores, broadcastable to [batch, heads, queries, keys].
            return_weights: Whether to return the attention weights, which are then held in memory.

        Returns:
            The output [batch, queries, d_model], and the weights after dropout [batch, heads, queries, keys] or None.

        Raises:
            LayerError: The mask is not boolean, or its shape does not fit.
            MaskError: A Mask reads columns, or does not fit the number of heads.
        """
        allowed = self._allowed(mask, query, key)
        if isinstance(mask, Mask) and mask.terms:
            # In self-attention, the keys are the queries.
            lengths = query.shape[1], None if key is query else key.shape[1]
            scores = dense_scores(mask, *lengths, self.n_head, device=query.device)
            position_bias = scores if position_bias is None else position_bias + scores
        q = self._split(self.query(query))  # [batch, heads, queries, head_dim]
        k = self._split(self.key(key))  # [batch, heads, keys, head_dim]
        v = self._split(self.value(value))  # [batch, heads, keys, value head_dim]
        options: _Options = {"bias": position_bias, "scale": self.scale, "dropout": self.dropout * self.training}
        if return_weights:
            heads, weights = dense_attention(q, k, v, allowed, **options)
            return self._join(heads), weights
        heads = fused_attention(q, k, v, EVERYTHING if allowed is None else Allowed.of(allowed), **options)
        return self._join(heads), None

    def _split(self, projected: Tensor) -> Tensor:
        batch, tokens, size = projected.shape
        # [batch, tokens, heads, head_dim] -> [batch, heads, tokens, head_dim]
        return projected.reshape(batch, tokens, self.n_head, size // self.n_head).transpose(1, 2)

    def _join(self, heads: Tensor) -> Tensor:
        # [batch, heads, queries, value head_dim] -> [batch, queries, d_v] -> [batch, queries, d_model]
        joined: Tensor = self.output(heads.transpose(1, 2).flatten(-2))
        return joined

    def _allowed(self, mask: Tensor | Mask | None, query: Tensor, key: Tensor) -> Tensor | None:
        """Return the mask as a bool tensor broadcastable to [batch, heads, queries, keys]; None allows all pairs."""
        batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
        if isinstance(mask, Mask):
            return mask.dense(queries, keys, self.n_head, device=query.device)[None]
        if mask is not None:
            _check_mask(mask, (batch, self.n_head, queries, keys))
        return mask


def _check_sizes(d_model: int, n_head: int, sizes: dict[str, int]) -> None:
    """Raise LayerError where a size is below 1, or one of all heads together is not a multiple of their number."""
    for name, number in {"d_model": d_model, "n_head": n_head, **sizes}.items():
        if number < 1:
            raise LayerError(f"{name} must be at least 1, got {number}")
    for name, size in sizes.items():
        if size % n_head:
            raise LayerError(
                f"{name} is the size of all heads together and must be a multiple of n_head {n_head}, got {size}"
            )


def _check_mask(mask: Tensor, shape: tuple[int, int, int, int]) -> None:
    """Raise LayerError where a mask is not boolean, or does not broadcast to [batch, heads, queries, keys]."""
    if mask.dtype != torch.bool:
        raise LayerError(
            f"a mask is boolean and True means attend, got {mask.dtype}; convert it by "
            "to_allowed(mask, convention), whose convention says what the numbers of the mask mean"
        )
    if mask.ndim != 4 or any(size not in (1, full) for size, full in zip(mask.shape, shape, strict=True)):
        raise LayerError(
            f"a mask has four dimensions that broadcast to [batch, heads, queries, keys] = {list(shape)}, got "
            f"{list(mask.shape)}; write padding [batch, keys] as padding[:, None, None] and a square [queries, keys] "
            "as square[None, None]"
        )
