"""Predictions of features, and records of examples with their predictions."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from datasets import Dataset


@dataclass(frozen=True)
class Prediction:
    """The model's prediction for one feature, in plain Python objects, which processes can exchange.

    Args:
        feature: The index of the feature in its split.
        example: The index of the example in its split.
        loss: The loss summed over the feature's targets. For classes it is the negative log-likelihood, in nats.
        num_targets: The number of targets in that sum.
        output: The model's output, in the form in which the task reads it.
        scores: How certain the model is of the output, where this was requested.
    """

    feature: int
    example: int
    loss: float
    num_targets: int
    output: Any
    scores: Any = None


@dataclass(frozen=True)
class EvaluationRecord:
    """One example with the model's prediction, as predictions.jsonl shows it.

    Args:
        id: The number of the example in its split, by which records are put in order.
        input: The input.
        reference: The right answer; None where the example has none.
        prediction: The model's answer.
        extra: Further values that are shown, such as the probabilities of classes.
        hidden: Values that only metrics need, and that are not shown.
    """

    id: int
    input: Any
    reference: Any
    prediction: Any
    extra: dict[str, Any] = field(default_factory=dict)
    hidden: dict[str, Any] = field(default_factory=dict)


def references(split: Dataset, name: str) -> Sequence[Any]:
    """Return the column of a split that holds the references, or as many None where the split has no such column."""
    return cast(Sequence[Any], split[name]) if name in split.column_names else [None] * len(split)
