"""Which pretrained models can take masks, and where their attention is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn
from transformers import PreTrainedModel

from finetune.attention.masks import Mask, full, window
from finetune.attention.pretrained.errors import PretrainedError
from finetune.attention.program import SiteName


@dataclass(frozen=True)
class Family:
    """Models of one architecture, by the names of transformers' classes.

    Args:
        stack: The class whose forward has the attention masks made.
        attention: The classes that call the attention function.
        cross: What the path of an attention to the encoder's output contains.
        shared: Layers share their attention, so that all must have one mask.
        last_attention: The class within a layer after which no token reads another until the layer's end, and which
            returns (hidden states, ...); None where layers are built in another way. See `cls_only`.
    """

    stack: str
    attention: tuple[str, ...]
    cross: str = "crossattention"
    shared: bool = False
    last_attention: str | None = None


def _like_bert(name: str) -> Family:
    return Family(f"{name}Model", (f"{name}SelfAttention", f"{name}CrossAttention"), last_attention=f"{name}Attention")


def _like_t5(name: str) -> Family:
    return Family(f"{name}Stack", (f"{name}Attention",), cross="EncDecAttention")


FAMILIES = (
    _like_bert("Bert"),
    _like_bert("Camembert"),
    _like_bert("Electra"),
    _like_bert("Roberta"),
    _like_bert("XLMRoberta"),
    Family("AlbertModel", ("AlbertAttention",), shared=True),
    Family("DistilBertModel", ("DistilBertSelfAttention",)),
    Family("ModernBertModel", ("ModernBertAttention",)),
    _like_t5("T5"),
    _like_t5("MT5"),
    _like_t5("UMT5"),
)
SUPPORTED = (
    "BERT, ALBERT, CamemBERT, DistilBERT, ELECTRA, ModernBERT, RoBERTa, XLM-RoBERTa, an EncoderDecoderModel of two of "
    "those that can be decoders, T5, mT5, UMT5, each with any head"
)


@dataclass(frozen=True, eq=False)
class AttentionStack:
    """A pile of layers of one pretrained model.

    Args:
        module: The module whose forward has the masks made.
        family: Its architecture.
        self_attention: The self-attention of each layer.
        cross_attention: The attention to the encoder's output of each layer; empty where there is none.
    """

    module: PreTrainedModel
    family: Family
    self_attention: tuple[nn.Module, ...]
    cross_attention: tuple[nn.Module, ...]

    @property
    def site(self) -> SiteName:
        """The site of its self-attention."""
        return "decoder" if getattr(self.module.config, "is_decoder", False) else "encoder"

    @property
    def num_layers(self) -> int:
        """Number of layers."""
        return int(self.module.config.num_hidden_layers)

    @property
    def num_heads(self) -> int:
        """Attention heads of a layer."""
        return int(self.module.config.num_attention_heads)

    @property
    def head_dim(self) -> int:
        """Size of one attention head."""
        config = self.module.config
        return int(getattr(config, "d_kv", None) or config.hidden_size // self.num_heads)

    @property
    def has_relative_bias(self) -> bool:
        """Whether its self-attention adds a relative bias."""
        return self.family.cross == "EncDecAttention"

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
    def _positions(self) -> nn.Embedding | None:
        for name, module in self.module.named_modules():
            if name.endswith("position_embeddings") and isinstance(module, nn.Embedding):
                return module
        return None

    @property
    def last_attention(self) -> nn.Module | None:
        """The module in which tokens read others for the last time; None where the family does not name its class."""
        name = self.family.last_attention
        found = [part for part in self.module.modules() if name and _is_any(part, (name,))]
        return found[-1] if found else None

    def own_masks(self) -> tuple[Mask, ...]:
        """The mask that the architecture itself gives each layer: ModernBERT's local layers have a window."""
        config = self.module.config
        types = getattr(config, "layer_types", None) or ["full_attention"] * self.num_layers
        known: dict[str, Mask] = {"full_attention": full()}
        if "sliding_attention" in types:
            known["sliding_attention"] = window(config.sliding_window)
        if unknown := sorted(set(types) - set(known)):
            raise PretrainedError(f"{type(self.module).__name__} has attention of the type {unknown[0]!r}")
        return tuple(known[each] for each in types)


def transformers_model(model: nn.Module) -> PreTrainedModel:
    """The model of transformers in wrappers of any kind.

    Raises:
        PretrainedError: There is none.
    """
    for module in model.modules():
        if isinstance(module, PreTrainedModel):
            return module
    raise PretrainedError(f"{type(model).__name__} is no model of transformers; supported are {SUPPORTED}")


def find_stacks(model: PreTrainedModel) -> tuple[AttentionStack, ...]:
    """All stacks of a model.

    Raises:
        PretrainedError: A part of the model is of no known architecture, or not built as expected.
    """
    stacks = tuple(_stacks(model))
    inside = {id(module) for stack in stacks for module in stack.module.modules()}
    for part in model.modules():
        if isinstance(part, PreTrainedModel) and id(part) not in inside and not any(_stacks(part)):
            raise PretrainedError(f"{type(part).__name__} cannot take masks; supported are {SUPPORTED}")
    return stacks


def _stacks(model: PreTrainedModel) -> Iterator[AttentionStack]:
    for module in model.modules():
        for family in FAMILIES:
            if isinstance(module, PreTrainedModel) and _is_any(module, (family.stack,)):
                yield _stack(module, family)


def _is_any(module: nn.Module, names: tuple[str, ...]) -> bool:
    """Whether a module is of a class of one of these names, which a wrapper such as FSDP may have derived from."""
    return any(each.__name__ in names for each in type(module).__mro__)


def _stack(module: PreTrainedModel, family: Family) -> AttentionStack:
    found = [(name, part) for name, part in module.named_modules() if _is_any(part, family.attention)]
    self_attention = tuple(part for name, part in found if family.cross not in name)
    cross_attention = tuple(part for name, part in found if family.cross in name)
    layers = module.config.num_hidden_layers
    if family.shared:
        self_attention = tuple(self_attention[layer % len(self_attention)] for layer in range(layers))
    if len(self_attention) != layers or len(cross_attention) not in (0, layers):
        raise PretrainedError(
            f"{type(module).__name__} of {layers} layers has {len(self_attention)} self-attentions and "
            f"{len(cross_attention)} attentions to an encoder; this version of transformers builds it in another way"
        )
    return AttentionStack(module, family, self_attention, cross_attention)
