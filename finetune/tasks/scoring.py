"""The part of a task that scores its predictions."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset

from finetune import metrics
from finetune.recipe import Recipe
from finetune.tasks.context import TaskContext
from finetune.tasks.predictions import EvaluationRecord

Pair = tuple[Sequence[Any], Sequence[Any]]
"""Predictions and references."""


class TaskScoring(ABC):
    """The part of a task that scores its predictions."""

    recipe: Recipe

    @abstractmethod
    def metric_names(self, context: TaskContext) -> tuple[str, ...]:
        """Return the names of the metrics that score the task where the recipe names none."""

    @abstractmethod
    def best_metric(self, context: TaskContext) -> str:
        """Return the name of the dev value that chooses the best checkpoint where the recipe names none."""

    @abstractmethod
    def score(self, records: Sequence[EvaluationRecord], context: TaskContext) -> metrics.Scores:
        """Return the scores of a whole split."""

    def compute(self, special: Mapping[str, Pair], ordinary: Pair, context: TaskContext) -> metrics.Scores:
        """Compute the recipe's metrics, or where it names none the task's own.

        Args:
            special: Predictions and references for metrics that need them in another form, by the metric's name.
            ordinary: Predictions and references for all other metrics.
            context: The context, which has the labels.
        """
        names = self.recipe.evaluation.metrics or self.metric_names(context)
        pairs = [special.get(name, ordinary) for name in names]
        return metrics.merge_scores(
            metrics.score([name], *pair, options=self.options_of(name, context))
            for name, pair in zip(names, pairs, strict=True)
        )

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

    def has_words(self, split: Dataset) -> bool:
        """Return whether references are written with spaces between words; True where they are not texts."""
        return True

    def metric_notes(self, context: TaskContext) -> list[str]:
        """Return notes for the user on how the metrics are computed."""
        return []
