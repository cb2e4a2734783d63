"""`TaskContext`: what a task needs beside the recipe."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedTokenizerBase


@dataclass(frozen=True)
class TaskContext:
    """What a task needs beside its section of the recipe, known once the model is loaded.

    Args:
        tokenizer: The model's tokenizer.
        config: The model's configuration.
        labels: The classes in order; None for tasks that generate text.
        ragged: Whether a batch is one stream of tokens; padded rows otherwise.
        weights: A function from the label ids of a batch to the weights of its targets in the training loss; None where
            all targets weigh the same.
        has_words: Whether the references are written with spaces between words, by which metrics of texts choose their
            tokenizer.
    """

    tokenizer: PreTrainedTokenizerBase
    config: PreTrainedConfig
    labels: tuple[str, ...] | None = None
    ragged: bool = False
    weights: Callable[[Tensor], Tensor] | None = None
    has_words: bool = True
