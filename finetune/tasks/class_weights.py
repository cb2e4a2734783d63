"""The weights of targets in the training loss, by their class.

The loss is the weighted sum over targets divided by their number, not by the sum of their weights, so that the gradient
does not depend on how targets are divided among batches and processes. Weights are scaled to a mean of 1 over the
targets of the train split, so that the loss keeps its size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from finetune.errors import UserError, nearest
from finetune.tasks.batch import IGNORE_INDEX

GivenWeights = Literal["balanced"] | Mapping[str, float]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassWeights:
    """The weights of classes.

    Args:
        present: The weight of a target of each class; with several labels an example, of each label where the example
            has it. [classes]
        absent: With several labels an example, the weight of each label where the example does not have it; None
            otherwise. [classes]
    """

    present: tuple[float, ...]
    absent: tuple[float, ...] | None = None

    def of(self, label_ids: Tensor) -> Tensor:
        """Return the weight of each target: float32, shaped as `label_ids`; 0 where there is no target."""
        present = torch.tensor(self.present)
        if self.absent is not None:
            return torch.where(label_ids > 0, present, torch.tensor(self.absent))
        return torch.where(label_ids == IGNORE_INDEX, 0.0, present[label_ids.clamp(min=0)])


def of_classes(given: GivenWeights, labels: Sequence[str], counts: Counts) -> ClassWeights:
    """Return the weights of targets that have one class each.

    Args:
        given: The recipe's class_weights: balanced, or weights by label, 1 for labels that are not named.
        labels: The classes in order.
        counts: The number of train targets of each class, int64 [classes].

    Raises:
        UserError: A weight is given for a class that does not exist.
    """
    if given == "balanced":
        weights = np.divide(1.0, counts, out=np.ones(len(labels)), where=counts > 0)
    else:
        weights = _by_label(given, labels)
    return ClassWeights(tuple((weights * counts.sum() / (weights * counts).sum()).tolist()))


def of_label_sets(given: GivenWeights, labels: Sequence[str], counts: Counts, examples: int) -> ClassWeights:
    """Return the weights of labels of which an example can have several.

    Args:
        given: The recipe's class_weights: balanced, which gives the examples with a label the same total weight as
            those without it; or the weights of labels where an example has them, 1 for labels that are not named.
        labels: The labels in order.
        counts: The number of train examples with each label, int64 [labels].
        examples: The number of train examples.

    Raises:
        UserError: A weight is given for a label that does not exist.
    """
    without = examples - counts
    if given == "balanced":
        present = np.divide(without, counts, out=np.ones(len(labels)), where=(counts > 0) & (without > 0))
    else:
        present = _by_label(given, labels)
    scale = examples / (present * counts + without)
    return ClassWeights(tuple((present * scale).tolist()), tuple(scale.tolist()))


def _by_label(given: GivenWeights, labels: Sequence[str]) -> Floats:
    assert not isinstance(given, str)
    unknown = [label for label in given if label not in labels]
    if unknown:
        near = nearest(unknown[0], labels)
        raise UserError(
            f"a weight is given for {unknown[0]!r}, which is not a class",
            where="training.class_weights",
            expected=", ".join(labels[:20]),
            fix=f"did you mean {near}?" if near else "correct the name",
        )
    return np.array([given.get(label, 1.0) for label in labels])
