"""Problem types of text classification: one class, any number of labels, or a number for each text.

Each corresponds to a `problem_type` of transformers, which is stored in the model's configuration.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedConfig

from finetune.data.features import Column
from finetune.tasks.batch import IGNORE_INDEX


class ProblemType(ABC):
    """A problem type: converts answers to tensors, and the model's outputs to answers."""

    name: ClassVar[str]
    """The `problem_type` of transformers."""
    metric_names: ClassVar[tuple[str, ...]]
    """The names of the metrics that score it by default."""
    best_metric: ClassVar[str]
    """The dev value that chooses the best checkpoint by default."""

    @abstractmethod
    def label_ids(self, answers: Sequence[Any] | None, count: int, labels: Sequence[str]) -> list[Any]:
        """Return the column `label_ids` of features.

        Args:
            answers: The answers of the examples; None where they are unknown.
            count: The number of examples.
            labels: The classes in order.
        """

    @abstractmethod
    def tensor(self, column: Column) -> Tensor:
        """Return the label ids of a batch: int64 [batch], float32 [batch, labels] or float32 [batch]."""

    @abstractmethod
    def losses(self, logits: Tensor, label_ids: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Return the losses of targets.

        Args:
            logits: float [batch, labels].
            label_ids: The label ids, shaped as `tensor` returns them.
            label_smoothing: The share of each target's probability that is spread over all its values.

        Returns:
            float32 [batch], or [batch, labels], whose mean over labels is the loss of the example.
        """

    @abstractmethod
    def outputs(self, logits: Tensor) -> list[Any]:
        """Return each example's output as Python objects, from logits [batch, labels]; `answer` reads it."""

    @abstractmethod
    def answer(self, output: Any, labels: Sequence[str], threshold: float) -> Any:
        """Return the answer of an output; labels with a probability of at least `threshold` are predicted."""

    def shown(self, output: Any, labels: Sequence[str]) -> Mapping[str, Any]:
        """Return the values that predictions show with the answer."""
        return {"probabilities": dict(zip(labels, output, strict=True))}


class SingleLabelProblem(ProblemType):
    """One class for each text: softmax and cross-entropy, in nats."""

    name = "single_label_classification"
    metric_names = ("accuracy", "precision_recall_f1")
    best_metric = "accuracy"

    def label_ids(self, answers: Sequence[str] | None, count: int, labels: Sequence[str]) -> list[Any]:
        numbers = {label: number for number, label in enumerate(labels)}
        return [IGNORE_INDEX] * count if answers is None else [numbers[label] for label in answers]

    def tensor(self, column: Column) -> Tensor:
        return torch.from_numpy(column.values)

    def losses(self, logits: Tensor, label_ids: Tensor, label_smoothing: float = 0.0) -> Tensor:
        return F.cross_entropy(
            logits.float(), label_ids, ignore_index=IGNORE_INDEX, reduction="none", label_smoothing=label_smoothing
        )

    def outputs(self, logits: Tensor) -> list[Any]:
        probabilities: list[Any] = logits.float().softmax(dim=-1).tolist()
        return probabilities

    def answer(self, output: Sequence[float], labels: Sequence[str], threshold: float) -> str:
        return labels[max(range(len(labels)), key=output.__getitem__)]


class MultiLabelProblem(ProblemType):
    """Any number of labels for each text: sigmoids and binary cross-entropy, the mean over labels, in nats."""

    name = "multi_label_classification"
    metric_names = ("multi_label",)
    best_metric = "f1_micro"

    def label_ids(self, answers: Sequence[Sequence[str]] | None, count: int, labels: Sequence[str]) -> list[Any]:
        if answers is None:
            return [[IGNORE_INDEX] * len(labels)] * count
        return [[int(label in given) for label in labels] for given in map(set, answers)]

    def tensor(self, column: Column) -> Tensor:
        assert column.offsets is not None
        return torch.from_numpy(column.values).view(len(column.offsets) - 1, -1).float()

    def losses(self, logits: Tensor, label_ids: Tensor, label_smoothing: float = 0.0) -> Tensor:
        # Smoothing spreads probability over the two values of each label.
        smoothed = label_ids * (1 - label_smoothing) + label_smoothing / 2
        losses = F.binary_cross_entropy_with_logits(logits.float(), smoothed, reduction="none")
        return losses.where(label_ids != IGNORE_INDEX, 0.0)

    def outputs(self, logits: Tensor) -> list[Any]:
        probabilities: list[Any] = logits.float().sigmoid().tolist()
        return probabilities

    def answer(self, output: Sequence[float], labels: Sequence[str], threshold: float) -> list[str]:
        return [label for label, probability in zip(labels, output, strict=True) if probability >= threshold]


class RegressionProblem(ProblemType):
    """A number for each text: squared error."""

    name = "regression"
    metric_names = ("mse", "pearsonr", "spearmanr")
    best_metric = "mse"

    def label_ids(self, answers: Sequence[float] | None, count: int, labels: Sequence[str]) -> list[Any]:
        return [float("nan")] * count if answers is None else list(answers)

    def tensor(self, column: Column) -> Tensor:
        return torch.from_numpy(column.values)

    def losses(self, logits: Tensor, label_ids: Tensor, label_smoothing: float = 0.0) -> Tensor:
        losses = F.mse_loss(logits.float().squeeze(-1), label_ids, reduction="none")
        return losses.where(label_ids.isfinite(), 0.0)

    def outputs(self, logits: Tensor) -> list[Any]:
        numbers: list[Any] = logits.float().squeeze(-1).tolist()
        return numbers

    def answer(self, output: float, labels: Sequence[str], threshold: float) -> float:
        return output

    def shown(self, output: float, labels: Sequence[str]) -> Mapping[str, Any]:
        return {}


PROBLEM_TYPES: Mapping[str, ProblemType] = {
    "single_label": SingleLabelProblem(),
    "multi_label": MultiLabelProblem(),
    "regression": RegressionProblem(),
}
"""The problem types by the value of task.problem_type."""


def problem_type_of(config: PreTrainedConfig) -> ProblemType:
    """Return the problem type of a model's configuration; one class where it has none."""
    names = {problem.name: problem for problem in PROBLEM_TYPES.values()}
    return names.get(config.problem_type or "", PROBLEM_TYPES["single_label"])


def problem_with(label_ids: Tensor) -> ProblemType:
    """Return the problem type that label ids of this dtype and shape belong to."""
    if not label_ids.is_floating_point():
        return PROBLEM_TYPES["single_label"]
    return PROBLEM_TYPES["multi_label" if label_ids.ndim > 1 else "regression"]
