"""What the answer to a text may be: one class, any number of labels, or a number.

Each is one of transformers' `problem_type`s, which the model's configuration keeps.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedConfig

from finetune.data.features import Column
from finetune.tasks.base import IGNORE_INDEX


class ProblemType(ABC):
    """How answers become tensors, and outputs become answers."""

    name: ClassVar[str]
    """transformers' problem_type."""
    metric_names: ClassVar[tuple[str, ...]]
    best_metric: ClassVar[str]

    @abstractmethod
    def label_ids(self, answers: Sequence[Any] | None, count: int, labels: Sequence[str]) -> list[Any]:
        """A feature's column: of the answers of so many examples, or of unknown ones where there are none."""

    @abstractmethod
    def tensor(self, column: Column) -> Tensor:
        """The label ids of a batch: int64 [batch], float32 [batch, labels] or float32 [batch]."""

    @abstractmethod
    def losses(self, logits: Tensor, label_ids: Tensor, label_smoothing: float = 0.0) -> Tensor:
        """Loss of each example's targets, in float32: [batch], or [batch, labels], of which the mean is the example's.

        Args:
            logits: [batch, labels].
            label_ids: As `tensor` gives them.
            label_smoothing: Share of each target's probability that is spread over all its values.
        """

    @abstractmethod
    def outputs(self, logits: Tensor) -> list[Any]:
        """A plain value for each example, from which `answer` tells its answer; logits are [batch, labels]."""

    @abstractmethod
    def answer(self, output: Any, labels: Sequence[str], threshold: float) -> Any:
        """The answer that an output means."""

    def shown(self, output: Any, labels: Sequence[str]) -> Mapping[str, Any]:
        """What predictions show beside the answer."""
        return {"probabilities": dict(zip(labels, output, strict=True))}


class SingleLabelProblem(ProblemType):
    """One class: softmax and cross-entropy, in nats."""

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
    """Any number of labels, each there or not: sigmoids and binary cross-entropy, the mean over labels, in nats."""

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
        smoothed = label_ids * (1 - label_smoothing) + label_smoothing / 2
        losses = F.binary_cross_entropy_with_logits(logits.float(), smoothed, reduction="none")
        return losses.where(label_ids != IGNORE_INDEX, 0.0)

    def outputs(self, logits: Tensor) -> list[Any]:
        probabilities: list[Any] = logits.float().sigmoid().tolist()
        return probabilities

    def answer(self, output: Sequence[float], labels: Sequence[str], threshold: float) -> list[str]:
        return [label for label, probability in zip(labels, output, strict=True) if probability >= threshold]


class RegressionProblem(ProblemType):
    """A number: squared error."""

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
"""By the recipe's task.problem_type."""


def problem_type_of(config: PreTrainedConfig) -> ProblemType:
    """The problem that a model's configuration names; one class where it names none."""
    names = {problem.name: problem for problem in PROBLEM_TYPES.values()}
    return names.get(config.problem_type or "", PROBLEM_TYPES["single_label"])


def problem_with(label_ids: Tensor) -> ProblemType:
    """The problem whose label ids these are."""
    if not label_ids.is_floating_point():
        return PROBLEM_TYPES["single_label"]
    return PROBLEM_TYPES["multi_label" if label_ids.ndim > 1 else "regression"]
