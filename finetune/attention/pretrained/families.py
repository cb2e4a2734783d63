"""Finds the stacks of a pretrained model, and in them the attention modules that take masks."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from finetune.attention.masks import Mask, full, window
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.pretrained.family import Family, families, find_family
from finetune.attention.pretrained.known_families import KNOWN_FAMILIES as KNOWN_FAMILIES
from finetune.attention.program import SiteName


@dataclass(frozen=True, eq=False)
class AttentionStack:
    """The layers of an encoder or a decoder in a pretrained model.

    Args:
        module: The module whose forward makes the attention masks.
        family: The architecture of the module.
        self_attention: The self-attention module of each layer.
        cross_attention: The module of each layer that attends to the encoder's output; empty where there is none.
    """

    module: PreTrainedModel
    family: Family
    self_attention: tuple[nn.Module, ...]
    cross_attention: tuple[nn.Module, ...]

    @property
    def site(self) -> SiteName:
        """The site of the self-attention: encoder or decoder."""
        is_decoder = self._is_own_decoder or getattr(self.module.config, "is_decoder", False)
        return "decoder" if is_decoder else "encoder"

    @property
    def num_layers(self) -> int:
        """Number of layers."""
        config = self.module.config
        return int(config.decoder_layers if self._is_own_decoder else config.num_hidden_layers)

    @property
    def num_heads(self) -> int:
        """Number of attention heads of a layer."""
        config = self.module.config
        return int(config.decoder_attention_heads if self._is_own_decoder else config.num_attention_heads)

    @property
    def head_dim(self) -> int:
        """Size of one attention head."""
        config = self.module.config
        # In T5, the heads together may be wider or narrower than the hidden states.
        return int(getattr(config, "d_kv", None) or config.hidden_size // self.num_heads)

    @property
    def has_relative_bias(self) -> bool:
        """Whether the self-attention adds a relative bias to the scores."""
        return self.family.relative_bias

    @property
    def first_position(self) -> int:
        """Position id of the first token: RoBERTa counts from padding_idx + 1."""
        positions = self._positions
        return 0 if positions is None or positions.padding_idx is None else positions.padding_idx + 1

    @property
    def max_length(self) -> int | None:
        """The longest input in tokens; None where the model has no learned positions."""
        positions = self._positions
        return None if positions is None else positions.num_embeddings - self.first_position

    @property
    def _is_own_decoder(self) -> bool:
        """Whether the stack's class is that of a decoder, as in BART, whose config holds the sizes of both halves."""
        return self.family.decoder_stack is not None and _is_any(self.module, (self.family.decoder_stack,))

    @property
    def _positions(self) -> nn.Embedding | None:
        for name, module in self.module.named_modules():
            if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
                return module
        return None

    @property
    def last_attention(self) -> nn.Module | None:
        """The last module in which tokens read others; None where the family does not name its class."""
        name = self.family.last_attention
        found = [part for part in self.module.modules() if name and _is_any(part, (name,))]
        return found[-1] if found else None

    @property
    def why_no_stream_positions(self) -> str | None:
        """Why tokens of a ragged stream would get wrong positions, for a message; None if they get their own."""
        name, how = type(self.module).__name__, self.family.stream_positions
        if self.family.no_stream is not None:
            return self.family.no_stream
        if how is None:
            return f"{name} is not known to take the positions of tokens from outside, and would count along the stream"
        if how == "position_ids" and how not in inspect.signature(self.module.forward).parameters:
            return f"the forward of {name} has no position_ids in this version of transformers"
        return None

    def own_masks(self) -> tuple[Mask, ...]:
        """Return the mask that the architecture itself gives each layer: ModernBERT's local layers have a window.

        Raises:
            PretrainedError: A layer has another type of attention.
        """
        config = self.module.config
        types = getattr(config, "layer_types", None) or ["full_attention"] * self.num_layers
        known: dict[str, Mask] = {"full_attention": full()}
        if "sliding_attention" in types:
            known["sliding_attention"] = window(config.sliding_window)
        if unknown := sorted(set(types) - set(known)):
            raise PretrainedError(
                f"{type(self.module).__name__} has attention of the type {unknown[0]!r}, which masks do not support; "
                f"supported are {', '.join(known)}"
            )
        return tuple(known[each] for each in types)


def transformers_model(model: nn.Module) -> PreTrainedModel:
    """Return the model of transformers in a module, which may be wrapped in others.

    Raises:
        PretrainedError: The module contains no model of transformers.
    """
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            return module
    raise PretrainedError(f"{type(model).__name__} is no model of transformers; supported are {supported()}")


def find_stacks(model: PreTrainedModel) -> tuple[AttentionStack, ...]:
    """Return all stacks of a model.

    Raises:
        PretrainedError: A part of the model has no registered architecture, or is not built as its record says.
    """
    stacks = tuple(_stacks(model))
    # A model of transformers that is neither in a stack nor around one would ignore the masks, such as a GPT-2 that is
    # the decoder of an EncoderDecoderModel.
    inside = {id(module) for stack in stacks for module in stack.module.modules()}
    for part in model.modules():
        if isinstance(part, PreTrainedModel) and id(part) not in inside and not any(_stacks(part)):
            if _register_provided_family(part):
                return find_stacks(model)
            raise PretrainedError(f"{type(part).__name__} cannot take masks; supported are {supported()}")
    return stacks


def _register_provided_family(part: PreTrainedModel) -> bool:
    """Register the family of a part of a model if an installed package provides it, and return whether one does."""
    model_type = getattr(part.config, "model_type", None) or ""
    if any(model_type in family.model_types for family in families()):
        return False
    found = find_family(model_type)
    return found is not None and _of_class(part, [found]) is not None


def supported() -> str:
    """Return the names of the architectures that can take masks, for messages."""
    able = [family for family in families() if family.stack is not None]
    encoders = [family.name for family in able if not family.is_encoder_decoder]
    pairs = "an EncoderDecoderModel of two of those that can be decoders"
    others = [family.name for family in able if family.is_encoder_decoder]
    return f"{', '.join([*encoders, pairs, *others])}, each with any head"


def _stacks(model: PreTrainedModel) -> Iterator[AttentionStack]:
    """Yield the stacks of registered families in a model."""
    known = families()
    for module in model.modules():
        family = _of_class(module, known) if isinstance(module, PreTrainedModel) else None
        if family is not None:
            yield _stack(module, family)


def _of_class(module: nn.Module, known: Sequence[Family]) -> Family | None:
    """Return the family that names the class of a module as a stack."""
    return next((family for family in known if _is_any(module, family.stacks)), None)


def _is_any(module: nn.Module, names: tuple[str, ...]) -> bool:
    """Return whether a module's class or a base of it has one of the names; FSDP derives a class of its own."""
    return any(each.__name__ in names for each in type(module).__mro__)


def _stack(module: Any, family: Family) -> AttentionStack:
    """Return a module as a stack, with the attention modules that its family names.

    Raises:
        PretrainedError: The number of attention modules is not that of the layers.
    """
    found = [(name, part) for name, part in module.named_modules() if _is_any(part, family.attention)]
    self_attention = tuple(part for name, part in found if family.cross not in name)
    cross_attention = tuple(part for name, part in found if family.cross in name)
    layers = AttentionStack(module, family, self_attention, cross_attention).num_layers
    if family.shared:  # ALBERT's layers use its few modules in turn
        self_attention = tuple(self_attention[layer % len(self_attention)] for layer in range(layers))
    if len(self_attention) != layers or len(cross_attention) not in (0, layers):
        raise PretrainedError(
            f"{type(module).__name__} of {layers} layers has {len(self_attention)} self-attentions and "
            f"{len(cross_attention)} attentions to an encoder; this version of transformers builds it in another way"
        )
    return AttentionStack(module, family, self_attention, cross_attention)
