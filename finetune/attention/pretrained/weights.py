"""Loads the weights of pretrained BERT and T5 models into the layers from scratch."""

import importlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel

from finetune.attention.layers.embedding import Embedding, RelativePositionBias
from finetune.attention.layers.layer import Activation, LayerConfig
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.family import Family, families

if TYPE_CHECKING:
    from finetune.attention.layers.stack import Stack

StackT = TypeVar("StackT", bound="Stack")
Names = tuple[tuple[str, str], ...]
"""Pairs of a regular expression for the path of a stack's module, and the path of that module in the layers."""


@dataclass(frozen=True)
class LayerWeights:
    """How the weights of a family's stacks are loaded into the layers from scratch.

    Args:
        names: A function that returns the paths of a stack's modules, with those in the layers.
        layer: A function that returns the configuration of a stack's layers.
        parts: A function that returns the modules around a stack's layers (embedding, bias, final norm) by the names of
            the parameters of `Encoder` and `Decoder`.
        is_complete: A function that returns whether a stack that is a decoder has attention to an encoder.
    """

    names: Callable[[PreTrainedModel], Names]
    layer: Callable[[PreTrainedModel], LayerConfig]
    parts: Callable[[PreTrainedModel], dict[str, Any]]
    is_complete: Callable[[PreTrainedModel], bool]


ACTIVATION_NAMES: Mapping[str, Activation] = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}

BERT_NAMES = (
    (r"embeddings\.word_embeddings", "embedding.tokens"),
    (r"embeddings\.position_embeddings", "embedding.positions"),
    (r"embeddings\.token_type_embeddings", "embedding.segments"),
    (r"embeddings\.LayerNorm", "embedding.norm"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(\w+)", r"layers.\1.attention.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense", r"layers.\1.attention.output"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm", r"layers.\1.attention_residual.norm"),
    (r"encoder\.layer\.(\d+)\.crossattention\.self\.(\w+)", r"layers.\1.cross_attention.\2"),
    (r"encoder\.layer\.(\d+)\.crossattention\.output\.dense", r"layers.\1.cross_attention.output"),
    (r"encoder\.layer\.(\d+)\.crossattention\.output\.LayerNorm", r"layers.\1.cross_attention_residual.norm"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense", r"layers.\1.feed_forward.inward"),
    (r"encoder\.layer\.(\d+)\.output\.dense", r"layers.\1.feed_forward.outward"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm", r"layers.\1.feed_forward_residual.norm"),
)
T5_NAMES = (
    (r"embed_tokens", "embedding.tokens"),
    (r"block\.0\.layer\.0\.SelfAttention\.relative_attention_bias", "position_bias.buckets"),
    (r"block\.(\d+)\.layer\.0\.SelfAttention\.q", r"layers.\1.attention.query"),
    (r"block\.(\d+)\.layer\.0\.SelfAttention\.k", r"layers.\1.attention.key"),
    (r"block\.(\d+)\.layer\.0\.SelfAttention\.v", r"layers.\1.attention.value"),
    (r"block\.(\d+)\.layer\.0\.SelfAttention\.o", r"layers.\1.attention.output"),
    (r"block\.(\d+)\.layer\.0\.layer_norm", r"layers.\1.attention_residual.norm"),
    (r"block\.(\d+)\.layer\.1\.EncDecAttention\.q", r"layers.\1.cross_attention.query"),
    (r"block\.(\d+)\.layer\.1\.EncDecAttention\.k", r"layers.\1.cross_attention.key"),
    (r"block\.(\d+)\.layer\.1\.EncDecAttention\.v", r"layers.\1.cross_attention.value"),
    (r"block\.(\d+)\.layer\.1\.EncDecAttention\.o", r"layers.\1.cross_attention.output"),
    (r"final_layer_norm", "final_norm.0"),
)
T5_FEED_FORWARD_NAMES = (
    (r"DenseReluDense\.wi_0", "feed_forward.gate"),
    (r"DenseReluDense\.wi(_1)?", "feed_forward.inward"),
    (r"DenseReluDense\.wo", "feed_forward.outward"),
    (r"layer_norm", "feed_forward_residual.norm"),
)


def load_stack(make: Callable[..., StackT], model: PreTrainedModel | str | Path, *, is_decoder: bool) -> StackT:
    """Return layers with the weights of a BERT or of one half of a T5.

    Args:
        make: A function that makes the layers and has the parameters of `Encoder` and `Decoder`.
        model: A model of transformers, or the name or folder of one.
        is_decoder: Whether to load the decoder: that of a T5, or a BERT with attention to an encoder.

    Raises:
        PretrainedError: The model has no such half, or the half has a part that the layers do not support.
    """
    stack = _find_stack(load_model(model), is_decoder=is_decoder)
    weights = _weights_of(stack)
    layers = make(weights.layer(stack), stack.config.num_hidden_layers, **weights.parts(stack))
    return _with_weights(layers, stack, weights)


def load_encoder_decoder_model(model: PreTrainedModel | str | Path) -> PreTrainedModel:
    """Return a model whose two halves can be loaded as one `EncoderDecoder`.

    Args:
        model: A model of transformers, or the name or folder of one.

    Raises:
        PretrainedError: Its encoder and decoder have different hidden sizes.
    """
    loaded = load_model(model)
    if hasattr(loaded, "enc_to_dec_proj"):
        raise PretrainedError("encoder and decoder have different hidden sizes; load each by itself")
    return loaded


def load_model(model: PreTrainedModel | str | Path) -> PreTrainedModel:
    """Return a model, which is loaded if its name or folder is given."""
    if isinstance(model, str | Path):
        loaded: PreTrainedModel = AutoModel.from_pretrained(model)
        return loaded
    return model


def _find_stack(model: PreTrainedModel, *, is_decoder: bool) -> PreTrainedModel:
    """Return the stack of a model whose weights the layers can load, such as a BertModel or T5Stack.

    Raises:
        PretrainedError: There is none.
    """
    for module in model.modules():
        if isinstance(module, PreTrainedModel) and (family := _readable(module)) is not None:
            complete = not is_decoder or _layer_weights(family).is_complete(module)
            if bool(module.config.is_decoder) == is_decoder and complete:
                return module
    half = "decoder with attention to an encoder" if is_decoder else "encoder"
    names = " or ".join(family.name for family in families() if family.weights is not None)
    raise PretrainedError(f"{type(model).__name__} has no {names} {half}")


def _readable(stack: PreTrainedModel) -> Family | None:
    """Return the family of a stack, or None if the layers cannot load its weights."""
    name = type(stack).__name__
    return next((one for one in families() if one.weights is not None and name in one.stacks), None)


def _weights_of(stack: PreTrainedModel) -> LayerWeights:
    family = _readable(stack)
    assert family is not None
    return _layer_weights(family)


def _layer_weights(family: Family) -> LayerWeights:
    """Import the object that `Family.weights` names as module:object."""
    module, _, name = (family.weights or "").partition(":")
    found: LayerWeights = getattr(importlib.import_module(module), name)
    return found


def _t5_layer(stack: PreTrainedModel) -> LayerConfig:
    config = stack.config
    return LayerConfig(
        d_model=config.d_model,
        n_head=config.num_heads,
        d_ff=config.d_ff,
        d_k=config.num_heads * config.d_kv,  # of all heads together
        d_v=config.num_heads * config.d_kv,
        activation=_activation(config.dense_act_fn),
        gated=config.is_gated_act,
        norm="rms",
        norm_eps=config.layer_norm_epsilon,
        norm_first=True,
        bias=False,
        scale=1.0,  # T5 does not divide its scores by the root of head_dim, but initializes its weights accordingly
        dropout=config.dropout_rate,
        attention_dropout=config.dropout_rate,
        feed_forward_dropout=config.dropout_rate,
    )


def _bert_layer(stack: PreTrainedModel) -> LayerConfig:
    config = stack.config
    return LayerConfig(
        d_model=config.hidden_size,
        n_head=config.num_attention_heads,
        d_ff=config.intermediate_size,
        activation=_activation(config.hidden_act),
        norm_eps=config.layer_norm_eps,
        dropout=config.hidden_dropout_prob,
        attention_dropout=config.attention_probs_dropout_prob,
    )


def _activation(name: object) -> Activation:
    if not isinstance(name, str) or name not in ACTIVATION_NAMES:
        raise PretrainedError(
            f"the layers do not support the activation {name!r}; supported are {', '.join(ACTIVATION_NAMES)}"
        )
    return ACTIVATION_NAMES[name]


def _t5_parts(stack: PreTrainedModel) -> dict[str, Any]:
    config: PreTrainedConfig = stack.config
    return {
        "embedding": Embedding(config.vocab_size, config.d_model, dropout=config.dropout_rate),
        "position_bias": RelativePositionBias(
            config.num_heads,
            num_buckets=config.relative_attention_num_buckets,
            max_distance=config.relative_attention_max_distance,
            bidirectional=not config.is_decoder,
        ),
        "final_norm": True,
    }


def _bert_parts(stack: PreTrainedModel) -> dict[str, Any]:
    config: PreTrainedConfig = stack.config
    embedding = Embedding(
        config.vocab_size,
        config.hidden_size,
        max_positions=config.max_position_embeddings,
        num_segments=config.type_vocab_size,
        norm=nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps),
        dropout=config.hidden_dropout_prob,
    )
    return {"embedding": embedding}


def _with_weights(layers: StackT, stack: PreTrainedModel, weights: LayerWeights) -> StackT:
    """Return the layers with the weights, dtype and training mode of a stack.

    Raises:
        PretrainedError: The names of the weights are not those of the layers.
    """
    names = weights.names(stack)
    renamed = {_renamed(name, names): tensor for name, tensor in _weights(stack).items()}
    # Names that differ are reported below, in a message that shows both lists.
    missing, unexpected = layers.load_state_dict(renamed, strict=False)
    if missing or unexpected:
        raise PretrainedError(
            f"the weights of {type(stack).__name__} are not those expected: "
            f"missing {', '.join(missing) or 'none'}; unknown {', '.join(unexpected) or 'none'}"
        )
    return layers.to(stack.dtype).train(stack.training)


def _weights(stack: PreTrainedModel) -> dict[str, Tensor]:
    """Return the weights of a stack without its pooler, which belongs to the head."""
    return {name: tensor for name, tensor in stack.state_dict().items() if not name.startswith("pooler.")}


def _renamed(name: str, names: Names) -> str:
    """Return the name of a parameter in the layers, or its own name, which is then reported as unknown."""
    path, _, kind = name.rpartition(".")
    for pattern, replacement in names:
        if match := re.fullmatch(pattern, path):
            return f"{match.expand(replacement)}.{kind}"
    return name


def _t5_names(stack: PreTrainedModel) -> Names:
    if not stack.config.is_decoder:
        return T5_NAMES + _numbered(T5_FEED_FORWARD_NAMES, 1)
    cross_norm = (r"block\.(\d+)\.layer\.1\.layer_norm", r"layers.\1.cross_attention_residual.norm")
    return (*T5_NAMES, cross_norm, *_numbered(T5_FEED_FORWARD_NAMES, 2))


def _numbered(names: Names, sublayer: int) -> Names:
    """Return the names of T5's feed-forward modules, given the number of the last sublayer of a layer."""
    prefix = rf"block\.(\d+)\.layer\.{sublayer}\."
    return tuple((prefix + pattern, rf"layers.\1.{replacement}") for pattern, replacement in names)


BERT = LayerWeights(
    names=lambda stack: BERT_NAMES,
    layer=_bert_layer,
    parts=_bert_parts,
    is_complete=lambda stack: bool(stack.config.add_cross_attention),
)
T5 = LayerWeights(names=_t5_names, layer=_t5_layer, parts=_t5_parts, is_complete=lambda stack: True)
