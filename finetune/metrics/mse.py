"""Mean squared error."""

from sklearn.metrics import mean_squared_error

from finetune.metrics.regression import NumberMetric
from finetune.metrics.scores import Scores


class Mse(NumberMetric):
    """Mean of the squared differences, 0 or more, the lower the better (scikit-learn's mean_squared_error)."""

    def measure(self, predictions: list[float], references: list[float]) -> Scores:
        """Score one number an example."""
        return Scores({"mse": float(mean_squared_error(references, predictions))})
