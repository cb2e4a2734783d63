"""What a prediction looks like to its reader, as its task says it."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from finetune.tasks import Record, Task, Tools

Answer: TypeAlias = Mapping[str, Any]
"""`prediction` first, then what the task adds to it."""


class Answers:
    """Makes answers of records.

    Args:
        task: The task, which says what its answers hold.
        tools: Tell the labels.
        scores: Whether answers say how sure the model is.
    """

    def __init__(self, task: Task, tools: Tools, *, scores: bool) -> None:
        self.task = task
        self.tools = tools
        self.scores = scores
        self.separator = task.label_separator
        """What parts several labels of one text in a table, as training reads them."""

    @property
    def blank(self) -> Answer:
        """The answer to a row that there is no prediction for: every name, and None."""
        return {**self.task.blank_answer(self.tools), **dict.fromkeys(self._blank_scores)}

    @property
    def flat_names(self) -> tuple[str, ...]:
        """Names of the columns that hold an answer in a table."""
        return tuple(flatten({**self.blank, **self._blank_scores}))

    @property
    def _blank_scores(self) -> Answer:
        return self.task.blank_scores(self.tools) if self.scores else {}

    def of(self, record: Record) -> Answer:
        """The answer that a record gives."""
        return self.task.answer(record, self.tools) | (record.extra if self.scores else {})


def flatten(answer: Answer) -> dict[str, Any]:
    """The same answer without mappings: the probability of `good` is `probabilities.good`."""
    flat: dict[str, Any] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            flat[name] = value
    return flat
