"""The metrics of this package: their names, their values, and where they are implemented."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OwnMetric:
    """A metric of this package.

    Args:
        implementation: The class, as module:name; its module is imported when the metric is loaded.
        values: Names of the values that the metric gives.
        greater_is_better: Whether a greater value is the better one.
    """

    implementation: str
    values: tuple[str, ...]
    greater_is_better: bool = True


OWN_METRICS = {
    "accuracy": OwnMetric("finetune.metrics.accuracy:Accuracy", ("accuracy",)),
    "precision_recall_f1": OwnMetric(
        "finetune.metrics.precision_recall_f1:PrecisionRecallF1",
        ("precision", "recall", "f1", "f1_weighted"),
    ),
    "matthews_correlation": OwnMetric(
        "finetune.metrics.matthews_correlation:MatthewsCorrelation", ("matthews_correlation",)
    ),
    "multi_label": OwnMetric(
        "finetune.metrics.multi_label:MultiLabelMetric", ("f1_micro", "f1_macro", "subset_accuracy")
    ),
    "mse": OwnMetric("finetune.metrics.mse:Mse", ("mse",), greater_is_better=False),
    "pearsonr": OwnMetric("finetune.metrics.pearsonr:Pearsonr", ("pearsonr",)),
    "spearmanr": OwnMetric("finetune.metrics.spearmanr:Spearmanr", ("spearmanr",)),
    "seqeval": OwnMetric("finetune.metrics.seqeval:Seqeval", ("precision", "recall", "f1")),
    "word_accuracy": OwnMetric("finetune.metrics.word_accuracy:WordAccuracy", ("word_accuracy",)),
    "sacrebleu": OwnMetric("finetune.metrics.sacrebleu:Sacrebleu", ("bleu",)),
    "chrf": OwnMetric("finetune.metrics.chrf:Chrf", ("chrf",)),
    "token_accuracy": OwnMetric("finetune.metrics.token_accuracy:TokenAccuracy", ("token_accuracy",)),
}


def own_metrics() -> tuple[str, ...]:
    """Names of the metrics that need no network."""
    return tuple(OWN_METRICS)


def value_names(name: str) -> tuple[str, ...] | None:
    """Names of the values that a metric gives; None for a metric that is not ours, which only a run can tell."""
    own = OWN_METRICS.get(name)
    return own.values if own else None


def own_direction(value_name: str) -> bool | None:
    """Whether a greater value of that name is the better one; None where none of our metrics gives it."""
    return next((own.greater_is_better for own in OWN_METRICS.values() if value_name in own.values), None)


def metrics_with_value(value_name: str) -> tuple[str, ...]:
    """Names of our metrics that give a value of that name."""
    return tuple(name for name, own in OWN_METRICS.items() if value_name in own.values)
