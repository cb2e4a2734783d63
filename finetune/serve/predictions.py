"""Format predictions for users: as mappings, and as cells of a table."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from finetune.dotted_keys import flatten
from finetune.tasks import EvaluationRecord, Task, TaskContext

FormattedPrediction: TypeAlias = Mapping[str, Any]
"""A mapping with the key `prediction` first, and then the keys that the task adds."""


class PredictionFormatter:
    """Formats the records that a task makes of a model's outputs.

    Args:
        task: The task, which determines the keys of a prediction.
        context: The context of the task, which has the labels.
        scores: Whether predictions have probabilities or other scores.
    """

    def __init__(self, task: Task, context: TaskContext, *, scores: bool) -> None:
        self.task = task
        self.context = context
        self.scores = scores
        self.separator = task.label_separator
        """The text between several labels in a cell of a table; training reads labels with the same separator."""

    @property
    def blank(self) -> FormattedPrediction:
        """The prediction of a row that has none: every key, with the value None."""
        return {**self.task.blank_answer(self.context), **dict.fromkeys(self._blank_scores)}

    @property
    def flat_names(self) -> tuple[str, ...]:
        """Names of the columns that hold a prediction in a table: `probabilities.good` is the probability of `good`."""
        return tuple(flatten({**self.blank, **self._blank_scores}))

    @property
    def _blank_scores(self) -> FormattedPrediction:
        return self.task.blank_scores(self.context) if self.scores else {}

    def of(self, record: EvaluationRecord) -> FormattedPrediction:
        """Return the prediction that a record holds."""
        return self.task.answer(record, self.context) | (record.extra if self.scores else {})
