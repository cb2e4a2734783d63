"""A program: which mask is used where in a model.

Three sites (self-attention of the encoder, self-attention of the decoder, cross-attention), one mask each, with
overrides by layer. In a recipe, and in a saved model's config, a site is the text of a mask or a mapping:

    encoder: window(64) | global_tokens(cls)
    decoder: {mask: causal() | prefix(8), layers: {"0-3": window(32), "-1": full()}}

The decoder's masks are also causal, `causal() & mask`, unless the text says otherwise in so many words. A mask that
itself names causal() is taken as it stands: `causal() | prefix(8)` sees the whole prefix. Under `per_head` this is
decided head by head. What counts is the mask after simplification: `full() | causal()` is full(), and made causal.
`bidirectional: true` on the decoder takes all its masks as they stand.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.causal import Causal, causal
from finetune.attention.masks.errors import MaskError, did_you_mean
from finetune.attention.masks.full import full
from finetune.attention.masks.operators import Junction, Not
from finetune.attention.masks.parse import parse
from finetune.attention.masks.per_head import PerHead, per_head

SiteName = Literal["encoder", "decoder", "cross"]
SITES: tuple[SiteName, ...] = ("encoder", "decoder", "cross")

LAYERS = re.compile(r"\s*(-?\d+)\s*(?:-\s*(-?\d+)\s*)?")


class ProgramError(ValueError):
    """A program cannot be read, or does not fit the model."""


@dataclass(frozen=True)
class Site:
    """The masks of one site.

    Args:
        mask: For all layers that no override names.
        layers: Overrides: layers as written ("3", "0-3", "-1", "-4--1", "0,2,4"; negative from the end, ranges
            with both ends) and their mask.
        bidirectional: In a decoder: take the masks as they stand, not also causal.
    """

    mask: Mask
    layers: tuple[tuple[str, Mask], ...] = ()
    bidirectional: bool = False

    def by_layer(self, num_layers: int) -> tuple[Mask, ...]:
        """The mask of each layer as written. Raises ProgramError where layers overlap or do not exist."""
        masks = [self.mask] * num_layers
        named_by: dict[int, str] = {}
        for text, mask in self.layers:
            for layer in _layer_numbers(text, num_layers):
                if layer in named_by:
                    raise ProgramError(f"layer {layer} is named twice: by {named_by[layer]!r} and by {text!r}")
                named_by[layer] = text
                masks[layer] = mask
        return tuple(masks)

    @classmethod
    def from_config(cls, config: object, where: str = "site") -> "Site":
        """A site from the text of a mask, a Mask, or a mapping with mask, layers and bidirectional.

        Raises:
            ProgramError: It cannot be read; the message opens with `where`.
        """
        if not isinstance(config, Mapping):
            return cls(_mask(config, where))
        _only_known(config, [field.name for field in fields(cls)], where)
        layers = config.get("layers") or {}
        if not isinstance(layers, Mapping):
            raise ProgramError(f"{where}.layers: expected a mapping from layers to masks, found {layers!r}")
        bidirectional = config.get("bidirectional", False)
        if not isinstance(bidirectional, bool):
            raise ProgramError(f"{where}.bidirectional: expected true or false, found {bidirectional!r}")
        return cls(
            _mask(config.get("mask", full()), f"{where}.mask"),
            tuple((_layers_text(key, where), _mask(mask, f"{where}.layers[{key}]")) for key, mask in layers.items()),
            bidirectional,
        )

    def to_config(self) -> str | dict[str, object]:
        """The site as JSON has it: a text, or a mapping where there is more to say."""
        if not self.layers and not self.bidirectional:
            return str(self.mask)
        config: dict[str, object] = {"mask": str(self.mask)}
        if self.layers:
            config["layers"] = {text: str(mask) for text, mask in self.layers}
        if self.bidirectional:
            config["bidirectional"] = True
        return config


@dataclass(frozen=True)
class Program:
    """The masks of a model, by site and layer.

    Args:
        encoder: Self-attention of the encoder.
        decoder: Self-attention of the decoder; also causal, see the module.
        cross: Attention of the decoder to the encoder's output: queries in the target, keys in the source.

    Raises:
        ProgramError: `bidirectional` is set elsewhere than in the decoder.
    """

    encoder: Site = Site(full())
    decoder: Site = Site(causal())
    cross: Site = Site(full())

    def __post_init__(self) -> None:
        for name in ("encoder", "cross"):
            if self.site(name).bidirectional:
                raise ProgramError(f"{name}.bidirectional: only the decoder's masks are made causal; remove the key")

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> "Program":
        """A program from the recipe's or the saved config's form; a site that is missing or null is standard.

        Raises:
            ProgramError: It cannot be read.
        """
        _only_known(config, SITES, "attention")
        given = {name: config[name] for name in SITES if config.get(name) is not None}
        return cls(**{name: Site.from_config(site, name) for name, site in given.items()})

    def to_config(self) -> dict[str, object]:
        """The program as JSON has it; `Program.from_config` reads it back to an equal program."""
        return {name: self.site(name).to_config() for name in SITES}

    def site(self, name: SiteName) -> Site:
        """The site of that name."""
        sites: dict[SiteName, Site] = {"encoder": self.encoder, "decoder": self.decoder, "cross": self.cross}
        return sites[name]

    def by_layer(self, name: SiteName, num_layers: int) -> tuple[Mask, ...]:
        """The mask in force in each layer of a site, in the decoder made causal.

        Raises:
            ProgramError: Overrides overlap or name layers that do not exist.
        """
        site = self.site(name)
        try:
            masks = site.by_layer(num_layers)
        except ProgramError as error:
            raise ProgramError(f"{name}.layers: {error}") from None
        return tuple(map(also_causal, masks)) if name == "decoder" and not site.bidirectional else masks

    def for_layer(self, name: SiteName, layer: int, num_layers: int) -> Mask:
        """The mask in force in one layer, counted from 0. Raises ProgramError as `by_layer` does."""
        if not 0 <= layer < num_layers:
            raise ProgramError(f"{name} has {num_layers} layers, there is no layer {layer}")
        return self.by_layer(name, num_layers)[layer]

    def is_standard_at(self, name: SiteName) -> bool:
        """Whether the site's masks are those of an unchanged model in all layers."""
        site = self.site(name)
        masks = {site.mask, *(mask for _, mask in site.layers)}
        if name == "decoder":
            return not site.bidirectional and {also_causal(mask) for mask in masks} == {causal()}
        return masks == {full()}

    @property
    def needs(self) -> Needs:
        """What must be known of examples to evaluate all its masks."""
        sites = [self.site(name) for name in SITES]
        return Needs.together(mask.needs for site in sites for mask in (site.mask, *(mask for _, mask in site.layers)))

    @property
    def is_standard(self) -> bool:
        """Whether the program leaves a model as it is: full, causal, full."""
        return all(self.is_standard_at(name) for name in SITES)


def also_causal(mask: Mask) -> Mask:
    """`causal() & mask`, or the mask as it stands where it decides itself who sees the future."""
    if _decides_future(mask):
        return mask
    if isinstance(mask, PerHead):
        return per_head(*map(also_causal, mask.masks))
    return causal() & mask


def _decides_future(mask: Mask) -> bool:
    """Whether the mask names causal(), in every head."""
    if isinstance(mask, Junction):
        return any(map(_decides_future, mask.members))
    if isinstance(mask, Not):
        return _decides_future(mask.mask)
    if isinstance(mask, PerHead):
        return all(map(_decides_future, mask.masks))
    return isinstance(mask, Causal)


def _layer_numbers(text: str, num_layers: int) -> list[int]:
    """The layers that a text names, from 0. Raises ProgramError."""
    numbers: list[int] = []
    for part in text.split(","):
        match = LAYERS.fullmatch(part)
        if not match:
            raise ProgramError(f"{text!r} does not name layers; write 3, 0-3, -1 or 0,2,4")
        first, last = (_layer_number(int(number), text, num_layers) for number in (match[1], match[2] or match[1]))
        if first > last:
            raise ProgramError(f"{text!r} names no layer: {first} comes after {last} in a model of {num_layers} layers")
        numbers.extend(range(first, last + 1))
    return numbers


def _layer_number(number: int, text: str, num_layers: int) -> int:
    if not -num_layers <= number < num_layers:
        raise ProgramError(f"{text!r} names layer {number}, but there are {num_layers} layers, counted from 0")
    return number % num_layers


def _layers_text(key: object, where: str) -> str:
    """Layers as written; YAML reads a single one as a number."""
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ProgramError(f"{where}.layers: expected layers such as 0-3 or -1, found {key!r}")
    text = str(key)
    if not all(map(LAYERS.fullmatch, text.split(","))):
        raise ProgramError(f"{where}.layers: {text!r} does not name layers; write 3, 0-3, -1 or 0,2,4")
    return text


def _mask(given: object, where: str) -> Mask:
    if isinstance(given, Mask):
        return given
    if not isinstance(given, str):
        raise ProgramError(f"{where}: expected the text of a mask, found {given!r}")
    try:
        return parse(given)
    except MaskError as error:
        raise ProgramError(f"{where}: {error}") from None


def _only_known(config: Mapping[str, object], known: Sequence[str], where: str) -> None:
    for key in config:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise ProgramError(f"{where}: there is no key {key!r}, only {', '.join(known)}{hint}")
