"""What a prediction looks like to its reader, task by task."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from finetune.tasks import EvaluationRecord, Task, TaskContext
from finetune.tasks.label_schemes import labelling_of_names
from finetune.tasks.labelling import Labelling
from finetune.tasks.problem_types import PROBLEM_TYPES, problem_type_of

FormattedPrediction: TypeAlias = Mapping[str, Any]
"""`prediction` first, then what the task adds to it."""


class PredictionFormatter:
    """Makes answers of records.

    Args:
        task: The task.
        context: Tell the labels.
        scores: Whether answers say how sure the model is.
    """

    def __init__(self, task: Task, context: TaskContext, *, scores: bool) -> None:
        self.head: Literal["text_classification", "token_classification", "text_to_text"] = task.head
        self.labels = context.labels or ()
        self.scores = scores
        scheme = str(getattr(task.recipe.task, "scheme", "plain"))
        self.labelling = labelling_of_names(self.labels, scheme)
        """What the labels of words mark; None where they are plain, and in other tasks."""
        self.score_name = None if not scores else _score_name(self.head, context)
        self.separator = str(getattr(task.recipe.task, "label_separator", " "))
        """What parts several labels of one text in a table, as training reads them."""

    @property
    def blank(self) -> FormattedPrediction:
        """The answer to a row that there is no prediction for: every name, and None."""
        names = ["prediction"] if self.labelling is None else ["prediction", "entities"]
        blank: dict[str, Any] = dict.fromkeys(names)
        return blank if self.score_name is None else {**blank, self.score_name: None}

    @property
    def flat_names(self) -> tuple[str, ...]:
        """Names of the columns that hold an answer in a table."""
        by_label = self.head == "text_classification" and self.score_name is not None
        return tuple(flatten({**self.blank, **({"probabilities": dict.fromkeys(self.labels)} if by_label else {})}))

    def of(self, record: EvaluationRecord) -> FormattedPrediction:
        """The answer that a record gives."""
        answer = {"prediction": record.prediction}
        if self.labelling is not None:
            probabilities = record.extra.get("probabilities")
            answer["entities"] = _entities(record.input, record.prediction, self.labelling, probabilities)
        return answer | (record.extra if self.scores else {})


def _score_name(head: str, context: TaskContext) -> str | None:
    """What says how sure the model is; nothing does so of a number."""
    if head == "text_to_text":
        return "mean_log_probability"
    is_number = head == "text_classification" and problem_type_of(context.config) is PROBLEM_TYPES["regression"]
    return None if is_number else "probabilities"


def _entities(
    words: Sequence[str], labels: Sequence[str], labelling: Labelling, probabilities: Sequence[float | None] | None
) -> list[dict[str, Any]]:
    """Entities by words, the end not included; `probability` is the mean over the words."""
    found = []
    for kind, start, end in labelling.read_predicted(labels):
        entity = {"type": kind, "start": start, "end": end, "text": " ".join(words[start:end])}
        if probabilities is not None:
            known = [one for one in probabilities[start:end] if one is not None]
            entity["probability"] = sum(known) / len(known) if known else None
        found.append(entity)
    return found


def flatten(answer: FormattedPrediction) -> dict[str, Any]:
    """The same answer without mappings: the probability of `good` is `probabilities.good`."""
    flat: dict[str, Any] = {}
    for name, value in answer.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": one for key, one in value.items()}
        else:
            flat[name] = value
    return flat
