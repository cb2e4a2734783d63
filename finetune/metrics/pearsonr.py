"""Pearson's correlation: how straight a line predictions and references lie on, whatever their scale."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import pearsonr

from finetune.metrics.inputs import are_constant
from finetune.metrics.regression import NumberMetric
from finetune.metrics.resampling import Floats64, Resampler, Values, divided, from_sums
from finetune.metrics.scores import Scores


class Pearsonr(NumberMetric):
    """Pearson correlation coefficient, -1 to 1 (SciPy), a score of STS-B in GLUE.

    It is 0/0, and given as 0, where predictions or references are all the same.
    """

    def measure(self, predictions: list[float], references: list[float]) -> Scores:
        """Score one number an example."""
        undefined = are_constant(predictions) or are_constant(references)
        return Scores({"pearsonr": 0.0 if undefined else float(pearsonr(predictions, references).statistic)})

    def resampler(self, predictions: Sequence[float], references: Sequence[float]) -> Resampler:
        """Return the function from resamples to values."""
        x, y = (np.array(values, float) - np.mean(values) for values in (predictions, references))
        return from_sums(np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], axis=1), _correlation)


def _correlation(sums: Floats64) -> Values:
    count, x, y, xx, yy, xy = sums.T  # each [resamples]
    variances = [_variance(total, squares, count) for total, squares in ((x, xx), (y, yy))]
    return {"pearsonr": divided(xy - x * y / count, np.sqrt(variances[0] * variances[1]))}


def _variance(total: Floats64, squares: Floats64, count: Floats64) -> Floats64:
    variance = squares - total**2 / count
    return np.where(variance > 1e-12 * squares, variance, 0.0)  # rounding alone where all numbers are equal
