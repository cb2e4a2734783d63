"""Accuracy: the share of examples whose class is right."""

from sklearn.metrics import accuracy_score

from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.scores import Scores


class Accuracy(OfflineMetric):
    """Share of examples whose class is right, 0 to 1 (scikit-learn's accuracy_score)."""

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one class name an example."""
        return Scores({"accuracy": float(accuracy_score(references, predictions))})
