"""F1 and accuracy of sets of labels.

`f1_micro` counts the labels of all examples together, `f1_macro` is the plain mean over the labels, in which a rare
label counts as much as a common one; each label that is in the references or in the predictions counts. Where there is
no such label at all, F1 is 1: nothing was to be found and nothing was. `subset_accuracy` is the share of examples whose
labels are all right.
"""

from collections.abc import Collection, Sequence
from typing import ClassVar

import numpy as np

from finetune.metrics.inputs import class_order
from finetune.metrics.offline_metric import OfflineMetric
from finetune.metrics.resampling import Floats64, Resampler, Values, divided, from_sums
from finetune.metrics.scores import Scores


class MultiLabel(OfflineMetric):
    """Micro and macro F1 over labels and the share of examples that are right as a whole, 0 to 1, and each label's."""

    sequences = True
    aligned = False
    proportions: ClassVar[tuple[str, ...]] = ("subset_accuracy",)

    def measure(self, predictions: list[list[str]], references: list[list[str]]) -> Scores:
        """Score one list of labels an example, in any order."""
        predicted, expected = [set(labels) for labels in predictions], [set(labels) for labels in references]
        present = set().union(*predicted, *expected)
        details = {
            label: _scores(
                [label in labels for labels in predicted],
                [label in labels for labels in expected],
            )
            for label in class_order(self.options.labels, present)
            if label in present
        }
        correct = sum(len(one & other) for one, other in zip(predicted, expected, strict=True))
        named = sum(map(len, predicted)) + sum(map(len, expected))
        same = sum(one == other for one, other in zip(predicted, expected, strict=True))
        return Scores(
            values={
                "f1_micro": 2 * correct / named if named else 1.0,
                "f1_macro": sum(scores["f1"] for scores in details.values()) / len(details) if details else 1.0,
                "subset_accuracy": same / len(expected),
            },
            details=details,
            signatures={self.name: "average:micro,macro|zero_division:0"},
        )

    def is_right(self, prediction: Collection[str], reference: Collection[str]) -> bool:
        """Return whether all labels of an example are right."""
        return set(prediction) == set(reference)

    def resampler(self, predictions: Sequence[Collection[str]], references: Sequence[Collection[str]]) -> Resampler:
        """Return the function from resamples to values."""
        labels = sorted(set().union(*predictions, *references))
        predicted, expected = (
            np.array([[label in one for label in labels] for one in many], bool).reshape(len(many), len(labels))
            for many in (predictions, references)
        )
        same = (predicted == expected).all(axis=1, keepdims=True)  # [examples, 1]
        one = np.ones_like(same)
        return from_sums(np.hstack([predicted & expected, predicted, expected, same, one]).astype(float), _averages)


def _averages(sums: Floats64) -> Values:
    correct, predicted, expected = np.split(sums[:, :-2], 3, axis=1)  # each [resamples, labels]
    named = predicted + expected
    present = (named > 0).sum(axis=1).astype(float)
    return {
        "f1_micro": divided(2 * correct.sum(axis=1), named.sum(axis=1), where_zero=1.0),
        "f1_macro": divided(divided(2 * correct, named).sum(axis=1), present, where_zero=1.0),
        "subset_accuracy": sums[:, -2] / sums[:, -1],
    }


def _scores(predicted: Sequence[bool], expected: Sequence[bool]) -> dict[str, float]:
    correct = sum(one and other for one, other in zip(predicted, expected, strict=True))
    return {
        "precision": correct / sum(predicted) if any(predicted) else 0.0,
        "recall": correct / sum(expected) if any(expected) else 0.0,
        "f1": 2 * correct / (sum(predicted) + sum(expected)),
        "support": float(sum(expected)),
    }
