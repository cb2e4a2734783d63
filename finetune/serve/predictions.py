"""What a prediction looks like to its reader, as its task says it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from finetune.tasks import EvaluationRecord, Task, TaskContext

FormattedPrediction: TypeAlias = Mapping[str, Any]
"""`prediction` first, then what the task adds to it."""


class PredictionFormatter:
    """Makes answers of records.

    Args:
        task: The task, which says what its answers hold.
        context: Tell the labels.
        scores: Whether answers say how sure the model is.
    """

    def __init__(self, task: Task, context: TaskContext, *, scores: bool) -> None:
        self.task = task
        self.context = context
        self.scores = scores
        self.separator = task.label_separator
        """What parts several labels of one text in a table, as training reads them."""

    @property
    def blank(self) -> FormattedPrediction:
        """The answer to a row that there is no prediction for: every name, and None."""
        return {**self.task.blank_answer(self.context), **dict.fromkeys(self._blank_scores)}

    @property
    def flat_names(self) -> tuple[str, ...]:
        """Names of the columns that hold an answer in a table."""
        return tuple(flatten({**self.blank, **self._blank_scores}))

    @property
    def _blank_scores(self) -> FormattedPrediction:
        return self.task.blank_scores(self.context) if self.scores else {}

    def of(self, record: EvaluationRecord) -> FormattedPrediction:
        """The answer that a record gives."""
        return self.task.answer(record, self.context) | (record.extra if self.scores else {})


def flatten(answer: FormattedPrediction) -> dict[str, Any]:
    """The same answer without mappings: the probability of `good` is `probabilities.good`."""
    flat: dict[str, Any] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            flat[name] = value
    return flat
