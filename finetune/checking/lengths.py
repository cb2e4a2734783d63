"""The lengths of inputs and outputs in tokens, before they are cut."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from finetune.models.quiet import quiet
from finetune.tasks import Task

_MOST = 20_000
"""The largest number of examples of a split that are measured; they are evenly spaced."""
_BATCH = 1000
"""The number of examples that are tokenized at once."""
PERCENTILES = (0, 50, 90, 95, 99, 100)


@dataclass(frozen=True)
class Lengths:
    """The lengths of the inputs, or of the outputs, of one split.

    Args:
        split: The name of the split: train, dev or test.
        key: The recipe's key that limits the length.
        limit: The largest number of tokens that the recipe allows.
        tokens: The number of tokens of each measured example, special tokens included. int64 [measured]
        num_examples: The number of examples in the split.
    """

    split: str
    key: str
    limit: int
    tokens: npt.NDArray[np.int64]
    num_examples: int

    @property
    def percentiles(self) -> tuple[int, ...]:
        """The percentiles 0, 50, 90, 95, 99 and 100 of the lengths, each a length that occurs."""
        return tuple(int(value) for value in np.percentile(self.tokens, PERCENTILES, method="higher"))

    @property
    def share_beyond(self) -> float:
        """The share of the measured examples that are longer than the limit."""
        return float((self.tokens > self.limit).mean())

    @property
    def is_sample(self) -> bool:
        """Whether only some of the examples were measured."""
        return len(self.tokens) < self.num_examples


def measure(task: Task, split: str, dataset: Dataset, tokenizer: PreTrainedTokenizerBase) -> Iterator[Lengths]:
    """Yield the lengths of a split for each of the task's limits: first of inputs, then of outputs.

    Args:
        task: The task, which has the limits and tokenizes examples.
        split: The name of the split.
        dataset: The examples of the split.
        tokenizer: The model's tokenizer.
    """
    chosen = np.linspace(0, len(dataset) - 1, min(len(dataset), _MOST)).astype(np.int64)
    measured = dataset.select(chosen)
    for (key, limit), tokenize in zip(task.lengths.items(), task.uncut(tokenizer), strict=False):
        with quiet():  # transformers would warn of long texts, which are measured here
            counts = [
                len(ids)
                for start in range(0, len(measured), _BATCH)
                for ids in tokenize(measured[start : start + _BATCH])
            ]
        yield Lengths(split, key, limit, np.array(counts, dtype=np.int64), len(dataset))
