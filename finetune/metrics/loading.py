"""Metrics, loaded by name when they are asked for."""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, cast

from finetune.errors import UserError, raise_all
from finetune.metrics.registry import find_metric
from finetune.metrics.scores import DEFAULT_OPTIONS, MetricOptions, Scores


class Metric(Protocol):
    """Turns all predictions and references of a split into scores."""

    def score(self, predictions: list[Any], references: list[Any]) -> Scores:
        """Score one or more examples; both lists have one entry an example, in the same order."""


def load_metric(name: str, options: MetricOptions) -> Metric:
    """Return the metric of that name: one of finetune, a registered one, or one that `evaluate.load` finds.

    Raises:
        UserError: No such metric, the Hub does not answer, or a package that the metric needs is missing.
    """
    own = find_metric(name)
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
