"""Word accuracy: the share of words whose label is right."""

from itertools import chain

from finetune.metrics.inputs import check_some
from finetune.metrics.offline_metric import OfflineMetric
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
