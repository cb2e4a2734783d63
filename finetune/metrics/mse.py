"""Mean squared error."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import mean_squared_error

from finetune.metrics.regression import NumberMetric
from finetune.metrics.resampling import Resampler, shares
from finetune.metrics.scores import Scores


class Mse(NumberMetric):
    """Mean of the squared differences, 0 or more, the lower the better (scikit-learn's mean_squared_error)."""

    def measure(self, predictions: list[float], references: list[float]) -> Scores:
        """Score one number an example."""
        return Scores({"mse": float(mean_squared_error(references, predictions))})

    def resampler(self, predictions: Sequence[float], references: Sequence[float]) -> Resampler:
        """Return the function from resamples to values."""
        squares = (np.array(predictions, float) - np.array(references, float)) ** 2
        return shares("mse", squares, np.ones_like(squares))
