"""Word accuracy: the share of words whose label is right."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from finetune.metrics.inputs import check_some
from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Resampler, shares
from finetune.metrics.scores import Scores


class WordAccuracy(OfflineMetric):
    """Share of words whose label is right, 0 to 1, over the words of all examples: long ones count for more."""

    sequences = True

    def measure(self, predictions: list[list[str]], references: list[list[str]]) -> Scores:
        """Score one list of labels an example, one label a word."""
        predicted, expected = list(chain(*predictions)), list(chain(*references))
        check_some(expected, "word")
        correct = sum(map(str.__eq__, predicted, expected))
        return Scores({"word_accuracy": correct / len(expected)})

    def resampler(self, predictions: Sequence[Sequence[str]], references: Sequence[Sequence[str]]) -> Resampler:
        """Return the function from resamples to values."""
        pairs = list(zip(predictions, references, strict=True))
        correct = [sum(map(str.__eq__, one, other)) for one, other in pairs]
        return shares("word_accuracy", np.array(correct, float), np.array(list(map(len, references)), float))
