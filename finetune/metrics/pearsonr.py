"""Pearson's correlation: how straight a line predictions and references lie on, whatever their scale."""

from scipy.stats import pearsonr

from finetune.metrics.inputs import are_constant
from finetune.metrics.regression import NumberMetric
from finetune.metrics.scores import Scores


class Pearsonr(NumberMetric):
    """Pearson correlation coefficient, -1 to 1 (SciPy), a score of STS-B in GLUE.

    It is 0/0, and given as 0, where predictions or references are all the same.
    """

    def measure(self, predictions: list[float], references: list[float]) -> Scores:
        """Score one number an example."""
        undefined = are_constant(predictions) or are_constant(references)
        return Scores({"pearsonr": 0.0 if undefined else float(pearsonr(predictions, references).statistic)})
