"""The record of one architecture of pretrained models, and the registry of architectures, open to other packages.

A package adds an architecture by `register_family`, or by an entry point of the group `finetune.families` whose name is
the `model_type` of the models' config.json and whose object is a `Family`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from finetune.attention.entry_points import EntryPointError, load_entry_point, packages_with
from finetune.attention.pretrained.errors import PretrainedError

ENTRY_POINT_GROUP = "finetune.families"


@dataclass(frozen=True)
class Family:
    """Pretrained models of one architecture, described by the names of transformers' classes and modules.

    Args:
        name: The name of the architecture in messages.
        model_types: The values of `model_type` in its configurations.
        is_encoder_decoder: Whether its models are encoder-decoders, as T5 is.
        can_decode: Whether two of its encoders can be combined in an EncoderDecoderModel.
        positions: Which of the `max_position_embeddings` can be used: all of them, those after the padding's position
            ("after_padding", the way in which fairseq counts), or None for relative positions, which have no limit.
        output_tokens: The attributes of the tokenizer that name the pad, end and start token of the decoder's output.
        stack: The name of the class whose forward makes the attention masks; None if the architecture cannot take
            masks.
        decoder_stack: The name of the class of the decoder's stack, if it differs from `stack`.
        attention: The names of the classes that call the attention function.
        cross: A part of the module path by which cross-attention is told from self-attention.
        shared: Whether the layers share one attention module, so that all of them must have one mask.
        last_attention: The name of a class that is part of a layer. In a layer, no token reads another after this
            module, which returns a tuple that begins with the hidden states. None where layers are built in another
            way. It is used by `cls_only`.
        relative_bias: Whether self-attention adds a relative bias to the scores.
        stream_positions: How each token of a ragged stream gets its position: by the argument `position_ids` of the
            stack's forward, or by the relative bias that `RelativeBiasHook` makes. None if neither was tested; then the
            stack would count positions along the stream, and models of the architecture read padded rows alone.
        no_stream: Why its models cannot read ragged streams, for the message; None if there is no special reason.
        finds_ends: Whether its text classifier looks for the end-of-text token in each row.
        scales_token_head: Whether the weights of a new token classification head are initialized too large, and have
            to be divided by the square root of `d_model`.
        lora_targets: Suffixes of the names of the linear modules that LoRA adapts; None if the user must name them.
        ia3_targets: Suffixes of the names of the linear modules that IA3 adapts; None if the user must name them.
        ia3_feed_forward: Those of `ia3_targets` that are feed-forward layers.
        weights: A `LayerWeights` that maps its weights to the layers from scratch, as module:object; None if there is
            none.
    """

    name: str
    model_types: tuple[str, ...]
    is_encoder_decoder: bool = False
    can_decode: bool = False
    positions: Literal["all", "after_padding"] | None = "all"
    output_tokens: tuple[str, str, str] = ("pad_token", "sep_token", "cls_token")
    stack: str | None = None
    decoder_stack: str | None = None
    attention: tuple[str, ...] = ()
    cross: str = "crossattention"
    shared: bool = False
    last_attention: str | None = None
    relative_bias: bool = False
    stream_positions: Literal["position_ids", "relative_bias"] | None = None
    no_stream: str | None = None
    finds_ends: bool = False
    scales_token_head: bool = False
    lora_targets: tuple[str, ...] | None = None
    ia3_targets: tuple[str, ...] | None = None
    ia3_feed_forward: tuple[str, ...] = ()
    weights: str | None = None

    @property
    def stacks(self) -> tuple[str, ...]:
        """The names of the classes of its stacks."""
        return tuple(name for name in (self.stack, self.decoder_stack) if name is not None)

    def but(self, **changes: Any) -> Family:
        """Return a copy of the record with other values of some fields."""
        return replace(self, **changes)


def like_bert(name: str, prefix: str, model_type: str) -> Family:
    """Return the record of an architecture whose classes in transformers are built like those of BERT.

    Args:
        name: The name of the architecture in messages.
        prefix: The prefix of its class names: Bert for BertModel.
        model_type: The `model_type` of its configurations.
    """
    return Family(
        name,
        (model_type,),
        can_decode=True,
        stack=f"{prefix}Model",
        attention=(f"{prefix}SelfAttention", f"{prefix}CrossAttention"),
        last_attention=f"{prefix}Attention",
        stream_positions="position_ids",
        lora_targets=("query", "value"),
        ia3_targets=("key", "value", "output.dense"),
        ia3_feed_forward=("output.dense",),
    )


def like_t5(name: str, prefix: str, model_type: str) -> Family:
    """Return the record of an architecture whose classes in transformers are built like those of T5.

    Args:
        name: The name of the architecture in messages.
        prefix: The prefix of its class names: T5 for T5Stack.
        model_type: The `model_type` of its configurations.
    """
    return Family(
        name,
        (model_type,),
        is_encoder_decoder=True,
        positions=None,
        output_tokens=("pad_token", "eos_token", "pad_token"),
        stack=f"{prefix}Stack",
        attention=(f"{prefix}Attention",),
        cross="EncDecAttention",
        relative_bias=True,
        stream_positions="relative_bias",
        finds_ends=True,
        scales_token_head=True,
        lora_targets=("q", "v"),
        ia3_targets=("k", "v", "wo"),
        ia3_feed_forward=("wo",),
    )


_families: dict[str, Family] = {}


def register_family(family: Family) -> Family:
    """Register an architecture. An equal record may be registered again, which changes nothing.

    Returns:
        The record.

    Raises:
        PretrainedError: Another registered record has the same name, or has a `model_type` or a stack in common.
    """
    for other in _families.values():
        both = {family.name, *family.model_types, *family.stacks} & {other.name, *other.model_types, *other.stacks}
        if both and other != family:
            raise PretrainedError(
                f"the family {family.name!r} claims {min(both)!r}, which belongs to the family {other.name!r}"
            )
    _families[family.name] = family
    return family


def unregister_family(family: Family) -> None:
    """Remove an architecture from the registry."""
    _families.pop(family.name, None)


def families() -> tuple[Family, ...]:
    """Return the registered architectures in the order of their registration."""
    return tuple(_families.values())


def find_family(model_type: str) -> Family | None:
    """Return the architecture of a `model_type`, which is registered or provided by an installed package.

    An architecture that a package provides is registered by this call.

    Returns:
        The record, or None if there is none.

    Raises:
        PretrainedError: The package's entry point cannot be imported, is no `Family` with this `model_type`, or the
            `model_type` belongs to another registered architecture.
    """
    known = next((family for family in families() if model_type in family.model_types), None)
    try:
        if known is not None and not packages_with(ENTRY_POINT_GROUP, model_type):
            return known
        provided = load_entry_point(ENTRY_POINT_GROUP, model_type)
    except EntryPointError as error:
        raise PretrainedError(str(error)) from error
    if provided is None:
        return None
    package = ", ".join(packages_with(ENTRY_POINT_GROUP, model_type))
    if not isinstance(provided, Family) or model_type not in provided.model_types:
        raise PretrainedError(
            f"the entry point {model_type!r} of the package {package} must be a Family with this model_type, found "
            f"{provided!r:.80}"
        )
    try:
        return register_family(provided)
    except PretrainedError as error:
        raise PretrainedError(f"{error}; it comes from the package {package}: update or uninstall it") from error
