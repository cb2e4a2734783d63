"""Checks of predictions and references; a wrong pair must raise, since a wrong number would be believed."""

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

from finetune.errors import UserError

_NOUNS: dict[type, str] = {str: "a text", Integral: "a whole number"}
TASKS_OWN = "evaluation.metrics=null for the task's own metrics"


def check_counts(predictions: Sequence[Any], references: Sequence[Any]) -> None:
    """Raise ValueError unless there is one reference for each prediction."""
    if len(predictions) != len(references):
        raise ValueError(f"{len(predictions)} predictions for {len(references)} references")


def check_some(items: Sequence[Any], what: str = "example") -> None:
    """Raise UserError if there is no example, since a mean over no example is not defined."""
    if len(items) == 0:
        raise UserError("there is nothing to score", expected=f"at least one {what}", found="none")


def check_elements(metric: str, column: Iterable[Any], element: type) -> None:
    """Raise UserError unless every entry is of that type (str, Integral for ids, or Real)."""
    for value in column:
        if not isinstance(value, element):
            raise _unfit(metric, _NOUNS.get(element, "a number"), value)


def check_sequences(metric: str, column: Iterable[Any], element: type) -> None:
    """Raise UserError unless every entry is a list whose own entries are of that type."""
    for values in column:
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise _unfit(metric, "a list of one entry a word or token", values)
        check_elements(metric, values, element)


def _unfit(metric: str, expected: str, found: object) -> UserError:
    return UserError(
        f"the metric {metric} cannot score this task's predictions",
        expected=expected,
        found=repr(found),
        fix=TASKS_OWN,
    )


def check_lengths(predictions: Sequence[Sequence[Any]], references: Sequence[Sequence[Any]]) -> None:
    """Raise ValueError unless each prediction is as long as its reference."""
    for row, (prediction, reference) in enumerate(zip(predictions, references, strict=True)):
        if len(prediction) != len(reference):
            raise ValueError(f"example {row}: prediction of length {len(prediction)}, reference of {len(reference)}")


def are_constant(values: Sequence[float]) -> bool:
    """Return whether all values are equal, so that a correlation with them is undefined (0/0)."""
    return min(values) == max(values)


def class_order(labels: Sequence[str] | None, present: Iterable[str]) -> list[str]:
    """Return the classes in the order of the label list, and after them, sorted, the others that occur."""
    known = list(labels or ())
    return known + sorted(set(present).difference(known))
