"""The recipe's `attention`: who may attend to whom."""

from typing import Literal, Self

from pydantic import Field, PrivateAttr, field_validator, model_validator

from finetune.attention import Mask, Program
from finetune.recipe.base import Section


class SiteSection(Section):
    """The masks of one site of a model; a text alone is the mask of all its layers."""

    mask: str = "full()"
    """Who may attend to whom, as an expression: window(64) | global_tokens(cls)."""
    layers: dict[str, str] = Field(default_factory=dict)
    """Other masks for some layers: {"0-3": "window(32)", "-1": "full()"}."""
    bidirectional: bool = False
    """Decoder only: take the masks as they stand. Otherwise one that does not name causal() is made causal."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: object) -> object:
        return {"mask": str(given)} if isinstance(given, str | Mask) else given

    @field_validator("mask", "layers", mode="before")
    @classmethod
    def _as_text(cls, given: object) -> object:
        if isinstance(given, dict):
            return {str(layers): str(mask) for layers, mask in given.items()}
        return str(given) if isinstance(given, Mask) else given


class Attention(Section):
    """Who may attend to whom, by site; see finetune/attention/README.md for the language."""

    encoder: SiteSection | None = None
    """Self-attention of the encoder; full() where not given."""
    decoder: SiteSection | None = None
    """Self-attention of the decoder; causal() where not given."""
    cross: SiteSection | None = None
    """From the decoder to the encoder's output, queries in the target, keys in the source; full() where not given."""
    kernel: Literal["whole", "blocks", "flex"] | None = None
    """How attention is computed in ragged batches, in place of the choice by cost: whole examples, or blocks that skip
    what a mask excludes; flex is for GPUs. Results are the same; `finetune explain` shows the choice."""

    _program: Program = PrivateAttr()

    @model_validator(mode="after")
    def _parse(self) -> Self:
        self._program = Program.from_config(self.model_dump(exclude_none=True, exclude={"kernel"}))
        return self

    @property
    def program(self) -> Program:
        """The masks as the models take them, parsed when the recipe was read."""
        return self._program
