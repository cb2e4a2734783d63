"""What is known of one architecture of pretrained models, and the register of architectures, open to other packages.

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
    """Pretrained models of one architecture, in the names that transformers gives its classes and modules.

    Args:
        name: What messages call the architecture.
        model_types: Each `model_type` of its configurations.
        is_encoder_decoder: Whether its models read one text and write another, as T5 does.
        can_decode: Whether two of its encoders can be put together as an EncoderDecoderModel.
        positions: Which of `max_position_embeddings` can be used: all, those after the padding's own (as fairseq
            counts), or None for relative positions, which have no limit.
        output_tokens: The tokenizer's tokens that pad, end and start what its decoder writes.
        stack: The class whose forward has the attention masks made; None where the architecture cannot take masks.
        decoder_stack: The class of the decoder's stack, where it is another one than `stack`.
        attention: The classes that call the attention function.
        cross: What the path of an attention to the encoder's output contains.
        shared: Layers share their attention, so that all must have one mask.
        last_attention: The class within a layer after which no token reads another until the layer's end, and which
            returns (hidden states, ...); None where layers are built in another way. See `cls_only`.
        relative_bias: Whether its self-attention adds a relative bias.
        stream_positions: How the stack learns the position of each token of a ragged stream: by the argument
            `position_ids` of its forward, or by a relative bias that `RelativeBiasHook` makes. None where neither was
            tested: the stack would count positions along the stream, so it is given padded rows alone.
        no_stream: Why its models cannot read ragged streams, for the message; None where nothing more is known.
        finds_ends: Whether its classifier of texts looks for the end of text in each row.
        scales_token_head: Whether a new token classifier is drawn too large, and is divided by the square root of
            `d_model`.
        lora_targets: Ends of the names of the linear modules that LoRA changes; None where the user must name them.
        ia3_targets: Ends of the names of those that IA3 changes, likewise.
        ia3_feed_forward: Those of `ia3_targets` that are feed-forward layers.
        weights: Where the map of its weights to the layers from scratch is, as module:object, a `LayerWeights`; None
            where there is none.
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
        """The classes of its stacks."""
        return tuple(name for name in (self.stack, self.decoder_stack) if name is not None)

    def but(self, **changes: Any) -> Family:
        """Return the same record with other values of some fields."""
        return replace(self, **changes)


def like_bert(name: str, prefix: str, model_type: str) -> Family:
    """Return the record of an architecture that transformers builds as it builds BERT.

    Args:
        name: What messages call it.
        prefix: What the names of its classes begin with: Bert for BertModel.
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
    """Return the record of an architecture that transformers builds as it builds T5; see `like_bert`."""
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
    """Make an architecture known; nothing happens where the very same record is known already.

    Raises:
        PretrainedError: Another record has the same name, a `model_type` or a stack of it.
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
    """Forget an architecture that was registered."""
    _families.pop(family.name, None)


def families() -> tuple[Family, ...]:
    """Return the architectures that are known so far, in the order of their registration."""
    return tuple(_families.values())


def find_family(model_type: str) -> Family | None:
    """Return the architecture of a `model_type`: a known one, or else one that an installed package brings.

    Raises:
        PretrainedError: The package's entry point cannot be imported, is no `Family` or not of this type, or the type
            is known already.
    """
    known = next((family for family in families() if model_type in family.model_types), None)
    try:
        if known is not None and not packages_with(ENTRY_POINT_GROUP, model_type):
            return known
        brought = load_entry_point(ENTRY_POINT_GROUP, model_type)
    except EntryPointError as error:
        raise PretrainedError(str(error)) from error
    if brought is None:
        return None
    package = ", ".join(packages_with(ENTRY_POINT_GROUP, model_type))
    if not isinstance(brought, Family) or model_type not in brought.model_types:
        raise PretrainedError(
            f"the entry point {model_type!r} of the package {package} must be a Family with this model_type, found "
            f"{brought!r:.80}"
        )
    try:
        return register_family(brought)
    except PretrainedError as error:
        raise PretrainedError(f"{error}; it comes from the package {package}: update or uninstall it") from error
