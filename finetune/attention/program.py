"""`Program`: which mask is used where in a model.

There are three sites: self-attention of the encoder, self-attention of the decoder, and cross-attention. Each has one
mask, and overrides by layer. In recipes, and in the config of a saved model, a site is the text of a mask or a mapping:

    encoder: window(64) | global_tokens(cls)
    decoder: {mask: causal() | prefix(8), layers: {"0-3": window(32), "4-11/2": window(8), "-1": full()}}

The masks of the decoder are also made causal, `causal() & mask`, with two exceptions. A mask that names causal() is not
changed: under `causal() | prefix(8)` the whole prefix is visible. Under `per_head` this is decided for each head. The
mask after simplification decides: `full() | causal()` is full(), and is made causal. And with `bidirectional: true` in
the decoder none of its masks is changed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from finetune.attention.layer_numbers import ProgramError, check_layers, layer_numbers
from finetune.attention.masks.base import Mask, Needs
from finetune.attention.masks.causal import Causal, causal
from finetune.attention.masks.errors import MaskError, did_you_mean
from finetune.attention.masks.full import full
from finetune.attention.masks.operators import Junction, Not
from finetune.attention.masks.parse import parse
from finetune.attention.masks.per_head import PerHead, per_head
from finetune.attention.masks.scored import check_site

SiteName = Literal["encoder", "decoder", "cross"]
SITES: tuple[SiteName, ...] = ("encoder", "decoder", "cross")
CAUSAL_ADDED = "with causal() added"
"""How titles say that a mask of the decoder was made causal."""


@dataclass(frozen=True)
class Site:
    """The masks of one site.

    Args:
        mask: Mask of all layers that no override names.
        layers: Overrides, as pairs of layers and their mask. Layers are text such as "3", "0-3", "-1", "-4--1",
            "0,2,4" or "0-11/3": negative numbers count from the end, ranges include both ends, and a number after /
            is the distance between neighbouring layers of the range.
        bidirectional: Whether the masks of a decoder stay as they are, and are not made causal.
    """

    mask: Mask
    layers: tuple[tuple[str, Mask], ...] = ()
    bidirectional: bool = False

    def by_layer(self, num_layers: int) -> tuple[Mask, ...]:
        """Return the mask of each layer, not yet made causal.

        Args:
            num_layers: Number of layers at the site.

        Raises:
            ProgramError: Overrides name the same layer, or one that does not exist.
        """
        masks = [self.mask] * num_layers
        named_by: dict[int, str] = {}
        for text, mask in self.layers:
            for layer in layer_numbers(text, num_layers):
                if layer in named_by:
                    raise ProgramError(f"layer {layer} is named twice: by {named_by[layer]!r} and by {text!r}")
                named_by[layer] = text
                masks[layer] = mask
        return tuple(masks)

    @classmethod
    def from_config(cls, config: object, where: str = "site") -> "Site":
        """Read a site.

        Args:
            config: The text of a mask, a Mask, or a mapping with the keys mask, layers and bidirectional.
            where: The key of the site, with which error messages begin.

        Raises:
            ProgramError: The site cannot be read.
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
        """Return the site for JSON: the text of its mask, or a mapping where it also has layers or is bidirectional."""
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
        encoder: Masks of the self-attention of the encoder.
        decoder: Masks of the self-attention of the decoder, which are also made causal (see above).
        cross: Masks of cross-attention, where queries are in the target and keys in the source.

    Raises:
        ProgramError: `bidirectional` is set elsewhere than in the decoder, or a score term is used in cross-attention
            that is not defined there.
    """

    encoder: Site = Site(full())
    decoder: Site = Site(causal())
    cross: Site = Site(full())

    def __post_init__(self) -> None:
        for name in ("encoder", "cross"):
            if self.site(name).bidirectional:
                raise ProgramError(f"{name}.bidirectional: only the decoder's masks are made causal; remove the key")
        for mask in (self.cross.mask, *(mask for _, mask in self.cross.layers)):
            try:
                check_site(mask.terms, in_cross=True)
            except MaskError as error:
                raise ProgramError(f"cross: {error}") from None

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> "Program":
        """Read a program in the form that recipes and saved configs have.

        Args:
            config: A site for each of the keys encoder, decoder and cross. A site that is missing or null is that of
                an unchanged model.

        Raises:
            ProgramError: The program cannot be read.
        """
        _only_known(config, SITES, "attention")
        given = {name: config[name] for name in SITES if config.get(name) is not None}
        return cls(**{name: Site.from_config(site, name) for name, site in given.items()})

    def to_config(self) -> dict[str, object]:
        """Return the program for JSON; `Program.from_config` returns an equal program from it."""
        return {name: self.site(name).to_config() for name in SITES}

    def site(self, name: SiteName) -> Site:
        """Return the site of that name."""
        sites: dict[SiteName, Site] = {"encoder": self.encoder, "decoder": self.decoder, "cross": self.cross}
        return sites[name]

    def by_layer(self, name: SiteName, num_layers: int) -> tuple[Mask, ...]:
        """Return the mask of each layer of a site; those of the decoder are made causal.

        Args:
            name: The site.
            num_layers: Number of layers at the site.

        Raises:
            ProgramError: Overrides overlap or name layers that do not exist.
        """
        masks = self.written_by_layer(name, num_layers)
        return tuple(map(also_causal, masks)) if name == "decoder" and not self.decoder.bidirectional else masks

    def written_by_layer(self, name: SiteName, num_layers: int) -> tuple[Mask, ...]:
        """Return the mask of each layer of a site as it is written, not yet made causal.

        Args:
            name: The site.
            num_layers: Number of layers at the site.

        Raises:
            ProgramError: Overrides overlap or name layers that do not exist.
        """
        try:
            return self.site(name).by_layer(num_layers)
        except ProgramError as error:
            raise ProgramError(f"{name}.layers: {error}") from None

    def adds_causal(self, name: SiteName, num_layers: int) -> tuple[bool, ...]:
        """Return for each layer of a site whether causal() was added to its mask, in any head.

        Args:
            name: The site.
            num_layers: Number of layers at the site.

        Raises:
            ProgramError: Overrides overlap or name layers that do not exist.
        """
        written, effective = self.written_by_layer(name, num_layers), self.by_layer(name, num_layers)
        return tuple(mask != before for mask, before in zip(effective, written, strict=True))

    def for_layer(self, name: SiteName, layer: int, num_layers: int) -> Mask:
        """Return the mask of one layer of a site; in the decoder it is made causal.

        Args:
            name: The site.
            layer: Number of the layer, from 0.
            num_layers: Number of layers at the site.

        Raises:
            ProgramError: There is no such layer, or overrides overlap or name layers that do not exist.
        """
        if not 0 <= layer < num_layers:
            raise ProgramError(f"{name} has {num_layers} layers, there is no layer {layer}")
        return self.by_layer(name, num_layers)[layer]

    def is_standard_at(self, name: SiteName) -> bool:
        """Return whether the masks of a site are those of an unchanged model in all layers."""
        site = self.site(name)
        masks = {site.mask, *(mask for _, mask in site.layers)}
        if name == "decoder":
            return not site.bidirectional and {also_causal(mask) for mask in masks} == {causal()}
        return masks == {full()}

    @property
    def needs(self) -> Needs:
        """What must be known of the examples to evaluate all masks of the program."""
        sites = [self.site(name) for name in SITES]
        return Needs.together(mask.needs for site in sites for mask in (site.mask, *(mask for _, mask in site.layers)))

    @property
    def is_standard(self) -> bool:
        """Whether the masks of all sites are those of an unchanged model: full(), causal() and full()."""
        return all(self.is_standard_at(name) for name in SITES)


def also_causal(mask: Mask) -> Mask:
    """Return `causal() & mask` with its score terms; a mask that names causal() itself is returned as it is."""
    if mask.terms:
        return mask.with_boolean(also_causal(mask.boolean))
    if _names_causal(mask):
        return mask
    if isinstance(mask, PerHead):
        return per_head(*map(also_causal, mask.masks))
    return causal() & mask


def _names_causal(mask: Mask) -> bool:
    """Return whether the mask names causal() in every head."""
    if isinstance(mask, Junction):
        return any(map(_names_causal, mask.members))
    if isinstance(mask, Not):
        return _names_causal(mask.mask)
    if isinstance(mask, PerHead):
        return all(map(_names_causal, mask.masks))
    return isinstance(mask, Causal)


def _layers_text(key: object, where: str) -> str:
    """Return the text that names layers; from YAML, a single layer comes as an int.

    Raises:
        ProgramError: The key of the mapping does not name layers.
    """
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise ProgramError(f"{where}.layers: expected layers such as 0-3 or -1, found {key!r}")
    text = str(key)
    try:
        check_layers(text)
    except ProgramError as error:
        raise ProgramError(f"{where}.layers: {error}") from None
    return text


def _mask(given: object, where: str) -> Mask:
    """Return a mask from its text or itself; ProgramError messages begin with `where`."""
    if isinstance(given, Mask):
        return given
    if not isinstance(given, str):
        raise ProgramError(f"{where}: expected the text of a mask, found {given!r}")
    try:
        return parse(given)
    except MaskError as error:
        raise ProgramError(f"{where}: {error}") from None


def _only_known(config: Mapping[str, object], known: Sequence[str], where: str) -> None:
    """Raise ProgramError where a mapping has other keys than the known ones."""
    for key in config:
        if key not in known:
            hint = did_you_mean(str(key), known)
            raise ProgramError(f"{where}: there is no key {key!r}, only {', '.join(known)}{hint}")
