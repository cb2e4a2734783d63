"""What targets count in the loss by their class.

The loss stays a sum over targets divided by their number, whatever they weigh, so that accumulating batches or adding
processes changes nothing. Weights are scaled to 1 in the mean over the train split, so that the loss keeps its size.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from finetune.errors import UserError, nearest
from finetune.tasks.base import IGNORE_INDEX

Asked = Literal["balanced"] | Mapping[str, float]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ClassWeights:
    """Weights by class.

    Args:
        present: Of a target of each class; [classes].
        absent: For examples with any number of labels, of each label where it is not there; [classes].
    """

    present: tuple[float, ...]
    absent: tuple[float, ...] | None = None

    def of(self, label_ids: Tensor) -> Tensor:
        """The weight of each target, float32, shaped as label_ids; 0 where there is no target."""
        present = torch.tensor(self.present)
        if self.absent is not None:
            return torch.where(label_ids > 0, present, torch.tensor(self.absent))
        return torch.where(label_ids == IGNORE_INDEX, 0.0, present[label_ids.clamp(min=0)])


def of_classes(asked: Asked, labels: Sequence[str], counts: Counts) -> ClassWeights:
    """Weights of targets of one class each.

    Args:
        asked: balanced, or weights by label, 1 where not given.
        labels: The classes in order.
        counts: Train targets of each class.

    Raises:
        UserError: A weight is given for a class that there is not.
    """
    if asked == "balanced":
        weights = np.divide(1.0, counts, out=np.ones(len(labels)), where=counts > 0)
    else:
        weights = _given(asked, labels)
    return ClassWeights(tuple((weights * counts.sum() / (weights * counts).sum()).tolist()))


def of_label_sets(asked: Asked, labels: Sequence[str], counts: Counts, examples: int) -> ClassWeights:
    """Weights of each label where it is there and where it is not.

    Args:
        asked: balanced, as if each label were there as often as not; or what a label counts where it is there.
        labels: The labels in order.
        counts: Train examples with each label.
        examples: Train examples.

    Raises:
        UserError: A weight is given for a label that there is not.
    """
    without = examples - counts
    if asked == "balanced":
        present = np.divide(without, counts, out=np.ones(len(labels)), where=(counts > 0) & (without > 0))
    else:
        present = _given(asked, labels)
    scale = examples / (present * counts + without)
    return ClassWeights(tuple((present * scale).tolist()), tuple(scale.tolist()))


def _given(asked: Mapping[str, float] | Literal["balanced"], labels: Sequence[str]) -> Floats:
    assert not isinstance(asked, str)
    unknown = [label for label in asked if label not in labels]
    if unknown:
        near = nearest(unknown[0], labels)
        raise UserError(
            f"a weight is given for {unknown[0]!r}, which is no class",
            where="training.class_weights",
            expected=", ".join(labels[:20]),
            fix=f"did you mean {near}?" if near else "correct the name",
        )
    return np.array([asked.get(label, 1.0) for label in labels])
