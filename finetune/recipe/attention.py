"""The recipe's `attention`: who may attend to whom."""

from typing import ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from finetune.attention import Mask, Program
from finetune.attention.program import SITES, Site, SiteName
from finetune.recipe.base import Section


class SiteSection(Section):
    """The masks of one site of a model. A text in its place is the mask of all layers."""

    short_form: ClassVar[str] = "a mask such as 'window(64) | global_tokens(cls)'"

    mask: str = "full()"
    """The mask of the site's layers, as an expression such as window(64) | global_tokens(cls)."""
    layers: dict[str, str] = Field(default_factory=dict)
    """Masks of single layers or ranges of layers, which replace `mask` there: {"0-3": "window(32)", "-1": "full()"}.
    Layers are counted from 0, or from the end with -1; "0-11/3" names every third layer of a range: 0, 3, 6, 9."""
    bidirectional: bool = False
    """Whether the decoder's masks are used as they are written. Otherwise causal() is added to each mask that does not
    name it. For the decoder only."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: object) -> object:
        return {"mask": str(given)} if isinstance(given, str | Mask) else given

    @field_validator("mask", "layers", mode="before")
    @classmethod
    def _as_text(cls, given: object) -> object:
        if isinstance(given, dict):
            return {name: str(mask) if isinstance(mask, Mask) else mask for name, mask in given.items()}
        return str(given) if isinstance(given, Mask) else given


class Attention(Section):
    """Who may attend to whom, by site. finetune/attention/README.md describes the language of masks."""

    encoder: SiteSection | None = None
    """The masks of the encoder's self-attention. The default is full()."""
    decoder: SiteSection | None = None
    """The masks of the decoder's self-attention. The default is causal()."""
    cross: SiteSection | None = None
    """The masks of the attention from the decoder to the encoder's output: queries are target tokens, keys are source
    tokens. The default is full()."""
    kernel: Literal["whole", "blocks", "flex"] | None = None
    """The method by which attention is computed in ragged batches: whole computes all pairs of an example, blocks skips
    blocks of pairs that the mask excludes, flex is PyTorch's FlexAttention, for GPUs. The results are the same. By
    default the cheapest method is chosen; `finetune explain` shows which."""

    _program: Program = PrivateAttr()

    @model_validator(mode="after")
    def _parse(self) -> Self:
        self._program = Program.from_config(self.model_dump(exclude_none=True, exclude={"kernel"}))
        return self

    @property
    def program(self) -> Program:
        """The masks of all sites, parsed."""
        return self._program

    @property
    def description(self) -> str:
        """The masks of every site that has other than the standard ones, as text; "standard" where none has."""
        program = self.program
        sites = [f"{name} {_site_text(program.site(name))}" for name in SITES if not program.is_standard_at(name)]
        return "; ".join(sites) or "standard"

    @property
    def named_sites(self) -> tuple[SiteName, ...]:
        """The sites that the recipe names, those with standard masks included."""
        return tuple(name for name in SITES if getattr(self, name) is not None)


def _site_text(site: Site) -> str:
    """Return the masks of a site as one line."""
    layers = [f"layers {layers}: {mask}" for layers, mask in site.layers]
    return ", ".join([str(site.mask), *layers, *(["bidirectional"] if site.bidirectional else [])])
