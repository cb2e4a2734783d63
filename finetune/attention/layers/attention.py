"""Multi-head attention under a mask."""

import torch
from torch import Tensor, nn

from finetune.attention.kernels.dense import dense_attention
from finetune.attention.kernels.fused import EVERYTHING, Allowed, fused_attention
from finetune.attention.layers.errors import LayerError
from finetune.attention.masks.base import Mask


class MaskedMultiHeadAttention(nn.Module):
    """Attention of several heads, each with its own share of the widths (arXiv 1706.03762, section 3.2).

    One module serves self-attention (query, key and value are the same tensor), causal attention (the same, with
    `causal()`), and cross-attention (keys and values from elsewhere).

    What it does, and what is often done instead; tests/attention/layers/test_mistakes.py shows each difference:

    - A key that is not allowed is excluded before the softmax, so that the weights of the others sum to 1. Zeroing
      weights after the softmax leaves rows that sum to less.
    - Exclusion sets the score to minus infinity. Adding the mask's 0 and 1 to the scores only shifts them a little.
    - The width is split into [heads, width of a head] and then the heads axis is moved before the queries. A bare
      reshape to [heads, queries, width of a head] mixes positions.
    - Scores are scaled by the square root of one head's width, d_k / n_head, not of d_model or of d_k.
    - A query that may attend to nothing yields zeros, where a softmax over nothing is NaN.
    - A decoder must be given a causal mask; nothing here makes it causal.
    - True means attend. A mask in which 1 means ignore goes through `to_allowed(mask, "1 = ignore")` first.

    Args:
        d_model: Width of queries, keys, values and the output.
        n_head: Attention heads.
        d_k: Total width of the projected queries and keys over all heads; d_model if not given.
        d_v: Total width of the projected values over all heads; d_model if not given.
        dropout: Probability with which an attention weight is dropped in training.
        bias: Whether the four projections have biases; T5's have none.
        scale: Factor of the scores; (d_k / n_head) ** -0.5 if not given. T5 uses 1.

    Raises:
        LayerError: d_k or d_v is not a multiple of n_head, or a width is not positive.
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
        _check_widths(d_model, n_head, {"d_k": d_k, "d_v": d_v})
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
        """Attend.

        Args:
            query: [batch, queries, d_model].
            key: [batch, keys, d_model].
            value: [batch, keys, d_model].
            mask: Who may attend to whom. A bool tensor, True means attend, broadcastable to [batch, heads, queries,
                keys] and of these four dimensions: write padding [batch, keys] as padding[:, None, None], a square
                [queries, keys] as square[None, None], what `padded_mask` gives as it is. Or a Mask without columns,
                every row being one example without padding. None allows all.
            position_bias: Added to the scaled scores, broadcastable to [batch, heads, queries, keys].
            return_weights: Whether to give the weights, at the price of holding them in memory.

        Returns:
            The output [batch, queries, d_model], and the weights after dropout [batch, heads, queries, keys] or None.

        Raises:
            LayerError: The mask is not boolean, or does not fit.
            MaskError: A mask reads columns or does not fit the number of heads.
        """
        allowed = self._allowed(mask, query, key)
        q = self._split(self.query(query))  # [batch, heads, queries, width of a head]
        k = self._split(self.key(key))
        v = self._split(self.value(value))
        dropout = self.dropout if self.training else 0.0
        if return_weights:
            heads, weights = dense_attention(q, k, v, allowed, bias=position_bias, scale=self.scale, dropout=dropout)
            return self._join(heads), weights
        made_ready = EVERYTHING if allowed is None else Allowed.of(allowed)
        heads = fused_attention(q, k, v, made_ready, bias=position_bias, scale=self.scale, dropout=dropout)
        return self._join(heads), None

    def _split(self, projected: Tensor) -> Tensor:
        batch, tokens, width = projected.shape
        # [batch, tokens, heads, width of a head] -> [batch, heads, tokens, width of a head]
        return projected.reshape(batch, tokens, self.n_head, width // self.n_head).transpose(1, 2)

    def _join(self, heads: Tensor) -> Tensor:
        joined: Tensor = self.output(heads.transpose(1, 2).flatten(-2))
        return joined  # [batch, queries, d_model]

    def _allowed(self, mask: Tensor | Mask | None, query: Tensor, key: Tensor) -> Tensor | None:
        batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
        if isinstance(mask, Mask):
            return mask.dense(queries, keys, self.n_head, device=query.device)[None]
        if mask is not None:
            _check_mask(mask, (batch, self.n_head, queries, keys))
        return mask


def _check_widths(d_model: int, n_head: int, widths: dict[str, int]) -> None:
    for name, number in {"d_model": d_model, "n_head": n_head, **widths}.items():
        if number < 1:
            raise LayerError(f"{name} must be at least 1, got {number}")
    for name, width in widths.items():
        if width % n_head:
            raise LayerError(
                f"{name} is the total width of all heads and must be a multiple of n_head {n_head}, got {width}"
            )


def _check_mask(mask: Tensor, shape: tuple[int, int, int, int]) -> None:
    if mask.dtype != torch.bool:
        raise LayerError(
            f"a mask is boolean and True means attend, got {mask.dtype}; convert it by "
            "to_allowed(mask, convention), which is told what its numbers mean"
        )
    if mask.ndim != 4 or any(size not in (1, full) for size, full in zip(mask.shape, shape, strict=True)):
        raise LayerError(
            f"a mask has four dimensions that broadcast to [batch, heads, queries, keys] = {list(shape)}, got "
            f"{list(mask.shape)}; write padding [batch, keys] as padding[:, None, None] and a square [queries, keys] "
            "as square[None, None]"
        )
