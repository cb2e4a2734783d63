"""One layer of an encoder or a decoder: attention and feed-forward, each with a residual connection and a norm."""

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
    """The configuration of a layer. The defaults are those of the Transformer (arXiv 1706.03762) and of BERT.

    Args:
        d_model: Size of the vector of each token between layers.
        n_head: Number of attention heads.
        d_ff: Size of the vector of each token inside the feed-forward network.
        d_k: Size of the projected queries and keys of all heads together; d_model if not given.
        d_v: Size of the projected values of all heads together; d_model if not given.
        activation: Activation function of the feed-forward network. "gelu_tanh" is GELU approximated by tanh, which
            T5 v1.1 has.
        gated: Whether the feed-forward network has a gate (arXiv 2002.05202).
        norm: "layer" for LayerNorm; "rms" for RMSNorm, which subtracts no mean and has no bias (arXiv 1910.07467).
        norm_eps: Number that is added to the variance.
        norm_first: Whether the inputs of attention and feed-forward are normalized, as in T5, in place of the sums
            after them, as in BERT.
        bias: Whether linear layers have biases.
        scale: Factor of the scores; (d_k / n_head) ** -0.5 if not given.
        dropout: Probability with which an element of the outputs of attention and feed-forward is dropped in training.
        attention_dropout: Probability with which an attention weight is dropped in training.
        feed_forward_dropout: Probability with which an element inside the feed-forward network is dropped in training.
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
        """Return a new norm of vectors of size d_model."""
        return (nn.LayerNorm if self.norm == "layer" else nn.RMSNorm)(self.d_model, eps=self.norm_eps)

    def make_attention(self) -> MaskedMultiHeadAttention:
        """Return a new attention module.

        Raises:
            LayerError: A size is below 1, or is not a multiple of the number of heads.
        """
        return MaskedMultiHeadAttention(
            self.d_model, self.n_head, self.d_k, self.d_v, self.attention_dropout, bias=self.bias, scale=self.scale
        )


class FeedForward(nn.Module):
    """The position-wise feed-forward network: two linear layers with an activation (arXiv 1706.03762, section 3.3).

    With a gate, the activation of one linear layer is multiplied by the output of another (arXiv 2002.05202).

    Args:
        config: The configuration of the layer.
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.inward = nn.Linear(config.d_model, config.d_ff, config.bias)
        self.gate = nn.Linear(config.d_model, config.d_ff, config.bias) if config.gated else None
        self.outward = nn.Linear(config.d_ff, config.d_model, config.bias)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = nn.Dropout(config.feed_forward_dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Apply the network to each position.

        Args:
            hidden: [..., d_model].

        Returns:
            [..., d_model].
        """
        if self.gate is None:
            inner = self.activation(self.inward(hidden))  # [..., d_ff]
        else:
            inner = self.activation(self.gate(hidden)) * self.inward(hidden)
        mapped: Tensor = self.outward(self.dropout(inner))
        return mapped


class Residual(nn.Module):
    """The residual connection x + f(x), with dropout on f(x), and a norm before f or after the sum (arXiv 2002.04745).

    Args:
        config: The configuration of the layer.
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.norm = config.make_norm()
        self.dropout = nn.Dropout(config.dropout)
        self.norm_first = config.norm_first

    def forward(self, hidden: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """Apply a function with the residual connection.

        Args:
            hidden: x, [batch, tokens, d_model].
            function: f, which keeps the shape.

        Returns:
            [batch, tokens, d_model].
        """
        if self.norm_first:
            added: Tensor = hidden + self.dropout(function(self.norm(hidden)))
            return added
        normed: Tensor = self.norm(hidden + self.dropout(function(hidden)))
        return normed


class EncoderLayer(nn.Module):
    """A layer of self-attention and feed-forward (arXiv 1706.03762, section 3.1).

    Args:
        config: The configuration of the layer.
    """

    def __init__(self, config: LayerConfig) -> None:
        super().__init__()
        self.attention = config.make_attention()
        self.feed_forward = FeedForward(config)
        self.attention_residual = Residual(config)
        self.feed_forward_residual = Residual(config)

    def forward(
        self, hidden: Tensor, mask: Tensor | Mask | None = None, *, position_bias: Tensor | None = None
    ) -> Tensor:
        """Apply the layer.

        Args:
            hidden: [batch, tokens, d_model].
            mask: Who may attend to whom, as `MaskedMultiHeadAttention.forward` takes it; None allows all pairs.
            position_bias: Added to the scaled scores, broadcastable to [batch, heads, tokens, tokens].

        Returns:
            [batch, tokens, d_model].

        Raises:
            LayerError: The mask is not boolean, or its shape does not fit.
            MaskError: A Mask reads columns, or does not fit the number of heads.
        """

        def attend(x: Tensor) -> Tensor:
            return self.attention(x, x, x, mask, position_bias=position_bias)[0]  # type: ignore[no-any-return]

        hidden = self.attention_residual(hidden, attend)
        mapped: Tensor = self.feed_forward_residual(hidden, self.feed_forward)
        return mapped


class DecoderLayer(nn.Module):
    """A layer of self-attention, attention to the encoder's output, and feed-forward (arXiv 1706.03762, section 3.1).

    Args:
        config: The configuration of the layer.
    """

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
        memory_bias: Tensor | None = None,
    ) -> Tensor:
        """Apply the layer.

        Args:
            hidden: [batch, target tokens, d_model].
            memory: The encoder's output, [batch, source tokens, d_model].
            mask: Mask of self-attention, as `MaskedMultiHeadAttention.forward` takes it. It has no default, so that a
                decoder is causal only where `causal()` is given.
            memory_mask: Mask of the attention to `memory`, of the same form; None allows all pairs.
            position_bias: Added to the scaled scores of self-attention, broadcastable to [batch, heads, target tokens,
                target tokens].
            memory_bias: Added to the scaled scores of the attention to `memory`, broadcastable to [batch, heads, target
                tokens, source tokens].

        Returns:
            [batch, target tokens, d_model].

        Raises:
            LayerError: A mask is not boolean, or its shape does not fit.
            MaskError: A Mask reads columns, or does not fit the number of heads.
        """

        def attend(x: Tensor) -> Tensor:
            return self.attention(x, x, x, mask, position_bias=position_bias)[0]  # type: ignore[no-any-return]

        def attend_to_memory(x: Tensor) -> Tensor:
            return self.cross_attention(x, memory, memory, memory_mask, position_bias=memory_bias)[0]  # type: ignore[no-any-return]

        hidden = self.attention_residual(hidden, attend)
        hidden = self.cross_attention_residual(hidden, attend_to_memory)
        mapped: Tensor = self.feed_forward_residual(hidden, self.feed_forward)
        return mapped
