"""How long inputs and outputs are in tokens, before anything is cut."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from finetune.models.quiet import quiet
from finetune.tasks import Task

_MOST = 20_000
"""Examples of a split that are measured; of more, as many evenly spaced ones."""
_BATCH = 1000
PERCENTILES = (0, 50, 90, 95, 99, 100)


@dataclass(frozen=True)
class Lengths:
    """How long one split's inputs, or outputs, are.

    Args:
        split: train, dev or test.
        key: The recipe's key that limits them.
        limit: Tokens that it allows.
        tokens: Of each measured example, special tokens included; int64, [measured].
        num_examples: In the split.
    """

    split: str
    key: str
    limit: int
    tokens: npt.NDArray[np.int64]
    num_examples: int

    @property
    def percentiles(self) -> tuple[int, ...]:
        """Lengths that 0, 50, 90, 95, 99 and 100 of a hundred examples do not exceed."""
        return tuple(int(value) for value in np.percentile(self.tokens, PERCENTILES, method="higher"))

    @property
    def share_beyond(self) -> float:
        """Of the examples that are longer than the limit."""
        return float((self.tokens > self.limit).mean())

    @property
    def is_sample(self) -> bool:
        """Whether only some of the examples were measured."""
        return len(self.tokens) < self.num_examples


def measure(task: Task, split: str, dataset: Dataset, tokenizer: PreTrainedTokenizerBase) -> Iterator[Lengths]:
    """The lengths of a split under each of the task's limits, which come in the order input, output."""
    chosen = np.linspace(0, len(dataset) - 1, min(len(dataset), _MOST)).astype(np.int64)
    measured = dataset.select(chosen)
    for (key, limit), tokenize in zip(task.lengths.items(), task.uncut(tokenizer), strict=False):
        with quiet():  # transformers warns of what is too long, which is what is asked here
            counts = [
                len(ids)
                for start in range(0, len(measured), _BATCH)
                for ids in tokenize(measured[start : start + _BATCH])
            ]
        yield Lengths(split, key, limit, np.array(counts, dtype=np.int64), len(dataset))
