"""Spearman's correlation: how like the order of predictions is to that of references."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import spearmanr

from finetune.metrics.inputs import are_constant
from finetune.metrics.regression import NumberMetric
from finetune.metrics.resampling import Floats64, Resampler, Values, divided
from finetune.metrics.scores import Scores


class Spearmanr(NumberMetric):
    """Spearman rank correlation coefficient, -1 to 1 (SciPy), a score of STS-B in GLUE.

    It is 0/0, and given as 0, where predictions or references are all the same.
    """

    def measure(self, predictions: list[float], references: list[float]) -> Scores:
        """Score one number an example."""
        undefined = are_constant(predictions) or are_constant(references)
        return Scores({"spearmanr": 0.0 if undefined else float(spearmanr(predictions, references).statistic)})

    def resampler(self, predictions: Sequence[float], references: Sequence[float]) -> Resampler:
        """Return the function from resamples to values; the examples are ranked anew in each resample."""

        def values(weights: Floats64) -> Values:
            x, y = _deviations(weights, predictions), _deviations(weights, references)  # [resamples, examples]
            covariance, *variances = ((weights * one * other).sum(axis=1) for one, other in ((x, y), (x, x), (y, y)))
            return {"spearmanr": divided(covariance, np.sqrt(variances[0] * variances[1]))}

        return values


def _deviations(weights: Floats64, values: Sequence[float]) -> Floats64:
    """Return by how much the rank of each example is above the mean rank of its resample, [resamples, examples]."""
    distinct, position = np.unique(np.asarray(values, float), return_inverse=True)
    counts = weights @ np.eye(len(distinct))[position]  # how often each number is drawn, [resamples, numbers]
    ranks = np.cumsum(counts, axis=1) - (counts - 1) / 2  # equal numbers share the mean of their ranks
    total = counts.sum(axis=1, keepdims=True)
    deviations: Floats64 = (ranks - (total + 1) / 2)[:, position]
    return deviations
