"""Accuracy: the share of examples whose class is right."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from sklearn.metrics import accuracy_score

from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Resampler, shares
from finetune.metrics.scores import Scores


class Accuracy(OfflineMetric):
    """Share of examples whose class is right, 0 to 1 (scikit-learn's accuracy_score)."""

    proportions: ClassVar[tuple[str, ...]] = ("accuracy",)

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one class name an example."""
        return Scores({"accuracy": float(accuracy_score(references, predictions))})

    def resampler(self, predictions: Sequence[str], references: Sequence[str]) -> Resampler:
        """Return the function from resamples to values."""
        correct = np.array([one == other for one, other in zip(predictions, references, strict=True)], float)
        return shares("accuracy", correct, np.ones_like(correct))
