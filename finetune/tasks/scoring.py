"""The part of a task that scores its predictions."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from finetune import metrics
from finetune.recipe import Recipe
from finetune.tasks.context import TaskContext
from finetune.tasks.predictions import EvaluationRecord

Pair = tuple[Sequence[Any], Sequence[Any]]
"""Predictions and references."""


@dataclass(frozen=True)
class MetricInputs:
    """What metrics compare.

    Args:
        ordinary: Predictions and references of most metrics.
        special: Predictions and references for metrics that need them in another form, by the metric's name; one entry
            a record.
        examples: For each entry of `ordinary` the number of the record that it belongs to; None if it has one entry a
            record.
    """

    ordinary: Pair
    special: Mapping[str, Pair] = field(default_factory=dict)
    examples: Sequence[int] | None = None

    def units(self, metric: str, groups: Sequence[str] | None) -> Sequence[int | str] | None:
        """Return the unit of each of a metric's entries, which is drawn as a whole; None if each is drawn alone.

        Args:
            metric: Name of the metric.
            groups: For each record the group that it belongs to, or None.
        """
        if metric in self.special or self.examples is None:
            return groups
        return self.examples if groups is None else [groups[number] for number in self.examples]


class TaskScoring(ABC):
    """The part of a task that scores its predictions."""

    recipe: Recipe
    unstored_metrics: ClassVar[tuple[str, ...]] = ()
    """Names of metrics that compare values which the file of predictions does not hold."""

    @abstractmethod
    def metric_names(self, context: TaskContext) -> tuple[str, ...]:
        """Return the names of the metrics that score the task where the recipe names none."""

    @abstractmethod
    def best_metric(self, context: TaskContext) -> str:
        """Return the name of the dev value that chooses the best checkpoint where the recipe names none."""

    @abstractmethod
    def metric_inputs(self, records: Sequence[EvaluationRecord], context: TaskContext) -> MetricInputs:
        """Return what metrics compare: the predictions and references of a whole split."""

    def score(
        self,
        records: Sequence[EvaluationRecord],
        context: TaskContext,
        *,
        intervals: bool = False,
        groups: Sequence[str] | None = None,
        names: Sequence[str] | None = None,
    ) -> metrics.Scores:
        """Return the scores of a whole split, by the recipe's metrics, or where it names none by the task's own.

        Args:
            records: The examples, at least one.
            context: The context, which has the labels.
            intervals: Whether confidence intervals are computed, too.
            groups: For each record the group of examples that it belongs to, where groups are drawn for the intervals
                instead of examples; None if there are none.
            names: The metrics; None for those of the recipe, or else of the task.
        """
        names = names or self.recipe.evaluation.metrics or self.metric_names(context)
        inputs = self.metric_inputs(records, context)
        parts = []
        for name in names:
            pair, options = inputs.special.get(name, inputs.ordinary), self.options_of(name, context)
            part = metrics.score([name], *pair, options=options)
            if intervals:
                from finetune.metrics.intervals import score_intervals  # imports SciPy, which takes half a second

                units = inputs.units(name, groups)
                part = replace(part, intervals=score_intervals(name, *pair, units=units, options=options))
            parts.append(part)
        return metrics.merge_scores(parts)

    def example_score(self, record: EvaluationRecord) -> float:
        """Return how good the prediction for a single example is; the greater, the better. By default 1 if it is right.

        Args:
            record: The example, with its reference.
        """
        return float(record.prediction == record.reference)

    def options_of(self, metric: str, context: TaskContext) -> metrics.MetricOptions:
        """Return the options of one metric. Overridden by tasks in which they differ between metrics."""
        return self.metric_options(context)

    def metric_options(self, context: TaskContext) -> metrics.MetricOptions:
        """Return the options of metrics: the labels, and the language of the predictions."""
        return metrics.MetricOptions(context.labels, self.target_language, context.has_words)

    @property
    def target_language(self) -> str | None:
        """The language of the predictions, where metrics depend on it."""
        return None

    def has_words(self, references: Sequence[Any]) -> bool:
        """Return whether references are written with spaces between words; True where they are not texts."""
        return True

    def metric_notes(self, context: TaskContext) -> list[str]:
        """Return notes for the user on how the metrics are computed."""
        return []
