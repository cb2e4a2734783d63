"""Precision, recall and F1 over classes.

`precision`, `recall` and `f1` are macro averages, for two classes as for many: the plain mean over the classes, in
which a rare class counts as much as a common one and no class needs to be called the positive one. The F1 of the
positive class, as GLUE gives it for MRPC and QQP, is in the details under that class's name. Each class counts that
is in the references or in the predictions; a class of the label list that is in neither has no score. `f1_weighted`
weights each class by its number of references. A micro average is left out: with one class an example it is the
accuracy.

Where precision or recall is 0/0 (a class never predicted, or never in the references) it is 0.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import sklearn
from sklearn.metrics import precision_recall_fscore_support

from finetune.metrics.inputs import class_order
from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Floats64, Resampler, Values, class_counts, divided, from_sums
from finetune.metrics.scores import Scores


class PrecisionRecallF1(OfflineMetric):
    """Macro precision, recall and F1, weighted F1, and each class's own, all 0 to 1 (scikit-learn)."""

    def measure(self, predictions: list[str], references: list[str]) -> Scores:
        """Score one class name an example."""
        present = {*predictions, *references}
        classes = [name for name in class_order(self.options.labels, present) if name in present]

        averaged = partial(precision_recall_fscore_support, references, predictions, labels=classes, zero_division=0.0)
        values = _named(averaged(average="macro"))
        values["f1_weighted"] = float(averaged(average="weighted")[2])
        rows = zip(*averaged(average=None), strict=True)
        return Scores(
            values=values,
            details={name: _named(row) | {"support": float(row[3])} for name, row in zip(classes, rows, strict=True)},
            signatures={self.name: f"average:macro|zero_division:0|version:sklearn-{sklearn.__version__}"},
        )

    def resampler(self, predictions: Sequence[str], references: Sequence[str]) -> Resampler:
        """Return the function from resamples to values."""
        return from_sums(class_counts(predictions, references, sorted({*predictions, *references})), _averages)


def _averages(sums: Floats64) -> Values:
    """Return the averages over the classes that occur in each resample, from sums of `class_counts`."""
    correct, predicted, expected = np.split(sums, 3, axis=1)  # each [resamples, classes]
    present = predicted + expected > 0
    f1 = divided(2 * correct, predicted + expected)
    by_class = {"precision": divided(correct, predicted), "recall": divided(correct, expected), "f1": f1}
    count = present.sum(axis=1)
    averages = {name: values.sum(axis=1) / count for name, values in by_class.items()}  # 0 where absent
    return averages | {"f1_weighted": divided((f1 * expected).sum(axis=1), expected.sum(axis=1))}


def _named(numbers: Sequence[Any]) -> dict[str, float]:
    precision, recall, f1, _ = numbers
    return {"precision": float(precision), "recall": float(recall), "f1": float(f1)}
