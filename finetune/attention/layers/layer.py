"""One layer of an encoder or decoder: attention and feed-forward, each in a residual with a norm."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from finetune.attention.layers.attention import MaskedMultiHeadAttention
from finetune.attention.masks.base import Mask

Activation = Literal["relu", "gelu", "gelu_tanh", "silu"]
ACTIVATIONS: Mapping[Activation, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": partial(F.gelu, approximate="tanh"),
    "silu": F.silu,
}


@dataclass(frozen=True)
class LayerConfig:
    """What a layer is made of. The defaults are those of the Transformer (arXiv 1706.03762) and of BERT.

    Args:
        d_model: Width of the residual stream.
        n_head: Attention heads.
        d_ff: Width inside the feed-forward.
        d_k: Total width of queries and keys; d_model if not given.
        d_v: Total width of values; d_model if not given.
        activation: Of the feed-forward; gelu_tanh is its approximation by tanh, which T5 v1.1 has.
        gated: Whether the feed-forward has a gate (arXiv 2002.05202).
        norm: LayerNorm, or RMSNorm, which neither centres nor has a bias (arXiv 1910.07467).
        norm_eps: Added to the variance.
        norm_first: Normalise what goes into attention and feed-forward, not what comes out of the residual.
        bias: Whether linear maps have biases.
        scale: Factor of the scores; (d_k / n_head) ** -0.5 if not given.
        dropout: Probability with which what attention and feed-forward add is dropped, in training.
        attention_dropout: The same of attention weights.
        feed_forward_dropout: The same inside the feed-forward.
    """

    d_model: int
    n_head: int
    d_ff: int
    d_k: int | None = None
    d_v: int | None = None
    activation: Activation = "relu"
    gated: bool = False
    norm: Literal["layer", "rms"] = "layer"
    norm_eps: float = 1e-5
    norm_first: bool = False
    bias: bool = True
    scale: float | None = None
    dropout: float = 0.1
    attention_dropout: float = 0.0
    feed_forward_dropout: float = 0.0

    def make_norm(self) -> nn.Module:
        """A norm over the residual stream."""
        return (nn.LayerNorm if self.norm == "layer" else nn.RMSNorm)(self.d_model, eps=self.norm_eps)

    def make_attention(self) -> MaskedMultiHeadAttention:
        """An attention of these widths. Raises LayerError where they do not fit the heads."""
        return MaskedMultiHeadAttention(
            self.d_model, self.n_head, self.d_k, self.d_v, self.attention_dropout, bias=self.bias, scale=self.scale
        )


class FeedForward(nn.Module):
    """Two linear maps with an activation between, at each position alone (arXiv 1706.03762, section 3.3).

    With a gate, the activation of one map is multiplied by another (arXiv 2002.05202).
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.inward = nn.Linear(config.d_model, config.d_ff, config.bias)
        self.gate = nn.Linear(config.d_model, config.d_ff, config.bias) if config.gated else None
        self.outward = nn.Linear(config.d_ff, config.d_model, config.bias)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = nn.Dropout(config.feed_forward_dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., d_model] to [..., d_model]."""
        if self.gate is None:
            inner = self.activation(self.inward(hidden))
        else:
            inner = self.activation(self.gate(hidden)) * self.inward(hidden)
        mapped: Tensor = self.outward(self.dropout(inner))
        return mapped


class Residual(nn.Module):
    """x + f(x), with dropout on f and the norm before f or after the sum (arXiv 2002.04745)."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.norm = config.make_norm()
        self.dropout = nn.Dropout(config.dropout)
        self.norm_first = config.norm_first

    def forward(self, hidden: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """[batch, tokens, d_model] to the same shape."""
        if self.norm_first:
            added: Tensor = hidden + self.dropout(function(self.norm(hidden)))
            return added
        normed: Tensor = self.norm(hidden + self.dropout(function(hidden)))
        return normed


class EncoderLayer(nn.Module):
    """Self-attention, then feed-forward (arXiv 1706.03762, section 3.1)."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.attention = config.make_attention()
        self.feed_forward = FeedForward(config)
        self.attention_residual = Residual(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self, hidden: Tensor, mask: Tensor | Mask | None = None, *, position_bias: Tensor | None = None
    ) -> Tensor:
        """One layer.

        Args:
            hidden: [batch, tokens, d_model].
            mask: As of MaskedMultiHeadAttention.
            position_bias: Likewise.

        Returns:
            [batch, tokens, d_model].
        """

        def attend(x: Tensor) -> Tensor:
            return self.attention(x, x, x, mask, position_bias=position_bias)[0]  # type: ignore[no-any-return]

        hidden = self.attention_residual(hidden, attend)
        mapped: Tensor = self.feed_forward_residual(hidden, self.feed_forward)
        return mapped


class DecoderLayer(nn.Module):
    """Self-attention, attention to the encoder's output, then feed-forward (arXiv 1706.03762, section 3.1)."""

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.attention = config.make_attention()
        self.cross_attention = config.make_attention()
        self.feed_forward = FeedForward(config)
        self.attention_residual = Residual(config)
        self.cross_attention_residual = Residual(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self,
        hidden: Tensor,
        memory: Tensor,
        mask: Tensor | Mask | None,
        memory_mask: Tensor | Mask | None = None,
        *,
        position_bias: Tensor | None = None,
    ) -> Tensor:
        """One layer.

        Args:
            hidden: [batch, target tokens, d_model].
            memory: The encoder's output [batch, source tokens, d_model].
            mask: Of self-attention, as of MaskedMultiHeadAttention. There is no default: `causal()` must be given.
            memory_mask: Of the attention to `memory`.
            position_bias: Of self-attention.

        Returns:
            [batch, target tokens, d_model].
        """

        def attend(x: Tensor) -> Tensor:
            return self.attention(x, x, x, mask, position_bias=position_bias)[0]  # type: ignore[no-any-return]

        def attend_to_memory(x: Tensor) -> Tensor:
            return self.cross_attention(x, memory, memory, memory_mask)[0]  # type: ignore[no-any-return]

        hidden = self.attention_residual(hidden, attend)
        hidden = self.cross_attention_residual(hidden, attend_to_memory)
        mapped: Tensor = self.feed_forward_residual(hidden, self.feed_forward)
        return mapped
