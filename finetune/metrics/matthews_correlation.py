"""Matthews correlation: how predictions and references go together, whatever the balance of the classes."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import matthews_corrcoef

from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Floats64, Resampler, Values, class_counts, divided, from_sums
from finetune.metrics.scores import Scores


class MatthewsCorrelation(OfflineMetric):
    """Matthews correlation coefficient over all classes, -1 to 1 (scikit-learn), the score of CoLA in GLUE.

    It is 0/0, and given as 0, where predictions or references are all of one class.
    """

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one class name an example."""
        # scikit-learn also says 0 for a single class, with a warning about its confusion matrix.
        one_class = len({*predictions, *references}) == 1
        value = 0.0 if one_class else float(matthews_corrcoef(references, predictions))
        return Scores({"matthews_correlation": value})

    def resampler(self, predictions: Sequence[str], references: Sequence[str]) -> Resampler:
        """Return the function from resamples to values."""
        return from_sums(class_counts(predictions, references, sorted({*predictions, *references})), _correlation)


def _correlation(sums: Floats64) -> Values:
    """Return the correlation of each resample, from sums of `class_counts` (Gorodkin, 2004, equation 8)."""
    correct, predicted, expected = np.split(sums, 3, axis=1)  # each [resamples, classes]
    total = expected.sum(axis=1)
    covariance = total * correct.sum(axis=1) - (predicted * expected).sum(axis=1)
    variances = [total**2 - (counts**2).sum(axis=1) for counts in (predicted, expected)]
    return {"matthews_correlation": divided(covariance, np.sqrt(variances[0] * variances[1]))}
