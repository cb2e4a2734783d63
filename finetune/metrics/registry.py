"""The metrics that are known by name, and what is known of each before it is loaded.

A package adds a metric by `register_metric`, or by an entry point of the group `finetune.metrics` whose name is the
metric's and whose object is a `MetricRecord`.
"""

from dataclasses import dataclass

from finetune.attention.entry_points import EntryPointError, load_entry_point, packages_with
from finetune.errors import UserError

ENTRY_POINT_GROUP = "finetune.metrics"


@dataclass(frozen=True)
class MetricRecord:
    """What is known of a metric before it is loaded.

    Args:
        implementation: Its class as module:Class, which is made with `MetricOptions` and is a `Metric`.
        values: Names of the values that it gives.
        greater_is_better: Whether a greater value is better.
    """

    implementation: str
    values: tuple[str, ...]
    greater_is_better: bool = True


_OWN_METRICS = {
    "accuracy": MetricRecord("finetune.metrics.accuracy:Accuracy", ("accuracy",)),
    "precision_recall_f1": MetricRecord(
        "finetune.metrics.precision_recall_f1:PrecisionRecallF1",
        ("precision", "recall", "f1", "f1_weighted"),
    ),
    "matthews_correlation": MetricRecord(
        "finetune.metrics.matthews_correlation:MatthewsCorrelation", ("matthews_correlation",)
    ),
    "multi_label": MetricRecord("finetune.metrics.multi_label:MultiLabel", ("f1_micro", "f1_macro", "subset_accuracy")),
    "mse": MetricRecord("finetune.metrics.mse:Mse", ("mse",), greater_is_better=False),
    "pearsonr": MetricRecord("finetune.metrics.pearsonr:Pearsonr", ("pearsonr",)),
    "spearmanr": MetricRecord("finetune.metrics.spearmanr:Spearmanr", ("spearmanr",)),
    "seqeval": MetricRecord("finetune.metrics.seqeval:Seqeval", ("precision", "recall", "f1")),
    "word_accuracy": MetricRecord("finetune.metrics.word_accuracy:WordAccuracy", ("word_accuracy",)),
    "sacrebleu": MetricRecord("finetune.metrics.sacrebleu:Sacrebleu", ("bleu",)),
    "chrf": MetricRecord("finetune.metrics.chrf:Chrf", ("chrf",)),
    "token_accuracy": MetricRecord("finetune.metrics.token_accuracy:TokenAccuracy", ("token_accuracy",)),
}


_registered: dict[str, MetricRecord] = {}


def register_metric(name: str, record: MetricRecord) -> None:
    """Register a metric under a name; registering an equal record again has no effect.

    Raises:
        UserError: Another metric has this name.
    """
    known = _OWN_METRICS.get(name) or _registered.get(name)
    if known not in (None, record):
        raise UserError(
            f"there are two metrics named {name!r}", found=f"{record.implementation} and {known.implementation}"
        )
    if known is None:
        _registered[name] = record


def unregister_metric(name: str) -> None:
    """Forget a metric that was registered."""
    _registered.pop(name, None)


def find_metric(name: str) -> MetricRecord | None:
    """Return the record of a metric of finetune, a registered one, or one of an installed package; None for others.

    Raises:
        UserError: The package's entry point cannot be imported, is no record, or the name is taken.
    """
    packages = packages_with(ENTRY_POINT_GROUP, name)
    if packages:
        where = f"entry point {name!r} of the package {', '.join(packages)}"
        try:
            brought = load_entry_point(ENTRY_POINT_GROUP, name)
        except EntryPointError as error:
            raise UserError(
                f"the metric {name!r} cannot be had: {error}", where=f"evaluation.metrics={name}"
            ) from error
        if not isinstance(brought, MetricRecord):
            raise UserError(
                "an entry point is no metric", where=where, expected="a MetricRecord", found=f"{brought!r:.80}"
            )
        try:
            register_metric(name, brought)
        except UserError as error:
            fix = f"update or uninstall the package {', '.join(packages)}"
            raise UserError(error.problem, where=where, found=error.found, fix=fix) from error
    return _OWN_METRICS.get(name) or _registered.get(name)


def _known() -> dict[str, MetricRecord]:
    return _OWN_METRICS | _registered


def is_registered(name: str) -> bool:
    """Return whether a metric of that name comes with finetune or was registered; entry points are not looked at."""
    return name in _known()


def own_metrics() -> tuple[str, ...]:
    """Return the names of the metrics that come with finetune and need no network."""
    return tuple(_OWN_METRICS)


def value_names(name: str) -> tuple[str, ...] | None:
    """Return the names of the values that a metric gives; None for a metric that is not registered here."""
    own = find_metric(name)
    return own.values if own else None


def own_direction(value_name: str) -> bool | None:
    """Return whether a greater value of that name is better; None if no registered metric gives such a value."""
    return next((own.greater_is_better for own in _known().values() if value_name in own.values), None)


def metrics_with_value(value_name: str) -> tuple[str, ...]:
    """Return the names of the registered metrics that give a value of that name."""
    return tuple(name for name, own in _known().items() if value_name in own.values)
