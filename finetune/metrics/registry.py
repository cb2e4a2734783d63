"""Which metrics there are, found by name and loaded when asked for."""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

from finetune.errors import UserError, raise_all
from finetune.metrics.scores import DEFAULT_OPTIONS, MetricOptions, Scores


class Metric(Protocol):
    """Turns all predictions and references of a split into scores."""

    def score(self, predictions: list[Any], references: list[Any]) -> Scores:
        """Score one or more examples; both lists have one entry an example, in the same order."""


@dataclass(frozen=True)
class _OwnMetric:
    implementation: str
    values: tuple[str, ...]
    greater_is_better: bool = True


_OWN_METRICS = {
    "accuracy": _OwnMetric("finetune.metrics.accuracy:Accuracy", ("accuracy",)),
    "precision_recall_f1": _OwnMetric(
        "finetune.metrics.precision_recall_f1:PrecisionRecallF1",
        ("precision", "recall", "f1", "f1_weighted"),
    ),
    "matthews_correlation": _OwnMetric(
        "finetune.metrics.matthews_correlation:MatthewsCorrelation", ("matthews_correlation",)
    ),
    "multi_label": _OwnMetric(
        "finetune.metrics.multi_label:MultiLabelMetric", ("f1_micro", "f1_macro", "subset_accuracy")
    ),
    "mse": _OwnMetric("finetune.metrics.mse:Mse", ("mse",), greater_is_better=False),
    "pearsonr": _OwnMetric("finetune.metrics.pearsonr:Pearsonr", ("pearsonr",)),
    "spearmanr": _OwnMetric("finetune.metrics.spearmanr:Spearmanr", ("spearmanr",)),
    "seqeval": _OwnMetric("finetune.metrics.seqeval:Seqeval", ("precision", "recall", "f1")),
    "word_accuracy": _OwnMetric("finetune.metrics.word_accuracy:WordAccuracy", ("word_accuracy",)),
    "sacrebleu": _OwnMetric("finetune.metrics.sacrebleu:Sacrebleu", ("bleu",)),
    "chrf": _OwnMetric("finetune.metrics.chrf:Chrf", ("chrf",)),
    "token_accuracy": _OwnMetric("finetune.metrics.token_accuracy:TokenAccuracy", ("token_accuracy",)),
}


def own_metrics() -> tuple[str, ...]:
    """Names of the metrics that need no network."""
    return tuple(_OWN_METRICS)


def value_names(name: str) -> tuple[str, ...] | None:
    """Names of the values that a metric gives; None for a metric that is not ours, which only a run can tell."""
    own = _OWN_METRICS.get(name)
    return own.values if own else None


def own_direction(value_name: str) -> bool | None:
    """Whether a greater value of that name is the better one; None where none of our metrics gives it."""
    return next((own.greater_is_better for own in _OWN_METRICS.values() if value_name in own.values), None)


def metrics_with_value(value_name: str) -> tuple[str, ...]:
    """Names of our metrics that give a value of that name."""
    return tuple(name for name, own in _OWN_METRICS.items() if value_name in own.values)


def load_metric(name: str, options: MetricOptions) -> Metric:
    """The metric of that name: our own, or one that `evaluate.load` finds on the Hub or in a file.

    Raises:
        UserError: No such metric, the Hub does not answer, or a package that the metric needs is missing.
    """
    own = _OWN_METRICS.get(name)
    if own is None:
        from finetune.metrics.hub_metric import HubMetric

        return HubMetric(name, options)
    module_name, class_name = own.implementation.split(":")
    return cast(Metric, getattr(importlib.import_module(module_name), class_name)(options))


def check_metric(names: Sequence[str], *, options: MetricOptions = DEFAULT_OPTIONS) -> None:
    """Load every metric once, so that a mistake shows before a long run and not at its end.

    Raises:
        UserError: One or several metrics cannot be loaded; all are named at once.
    """
    errors = []
    for name in names:
        try:
            load_metric(name, options)
        except UserError as error:
            errors.append(error)
    raise_all(errors)
