"""Spearman's correlation: how like the order of predictions is to that of references."""

from scipy.stats import spearmanr

from finetune.metrics.inputs import are_constant
from finetune.metrics.regression import NumberMetric
from finetune.metrics.scores import Scores


class Spearmanr(NumberMetric):
    """Spearman rank correlation coefficient, -1 to 1 (SciPy), a score of STS-B in GLUE.

    It is 0/0, and given as 0, where predictions or references are all the same.
    """

    def measure(self, predictions: list[float], references: list[float]) -> Scores:
        """Score one number an example."""
        undefined = are_constant(predictions) or are_constant(references)
        return Scores({"spearmanr": 0.0 if undefined else float(spearmanr(predictions, references).statistic)})
