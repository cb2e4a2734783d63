"""Scores of parts of a split: of short and long inputs, of each class, of each value of a column of the data."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from finetune import metrics
from finetune.data import GROUP, SLICE
from finetune.data.labels import NO_TARGET
from finetune.errors import UserError
from finetune.metrics import Interval
from finetune.recipe import Recipe
from finetune.recipe.evaluation import LABEL, LENGTH
from finetune.tasks import EvaluationRecord, Prediction, Task, TaskContext
from finetune.tasks.labelling import OUTSIDE
from finetune.training.evaluation_setup import EvaluationSetup

MOST_VALUES = 20
"""How many values are slices of their own; the examples with all others are one slice."""
NO_LABEL = "(no label)"
"""The slice of examples whose reference is an empty list of labels."""
_NEED_VARIETY = ("pearsonr", "spearmanr", "matthews_correlation")
"""Scores that are not defined where all references or all predictions are the same."""
_NEED_LABELS = ("precision", "recall", "f1", "f1_micro", "f1_macro")
"""Scores of lists of labels that are not defined where there is nothing to find and nothing found."""

Slices = Mapping[str, Sequence[int]]
"""The indices of the examples of each slice."""


@dataclass(frozen=True)
class SliceScore:
    """The score of a part of a split.

    Args:
        by: What the split is divided by: `length`, `label` or a column.
        name: The examples of the slice: the value that they have in common.
        num_examples: The number of these examples.
        metric: The name of the score.
        score: The score; None where it is not defined.
        interval: Its 95% confidence interval; None where it is not defined.
    """

    by: str
    name: str
    num_examples: int
    metric: str
    score: float | None
    interval: Interval | None


def check_slices(recipe: Recipe, task: Task, context: TaskContext) -> None:
    """Raise an error for slices by class where there are no classes.

    Raises:
        UserError: There are none.
    """
    if LABEL not in recipe.evaluation.slices:
        return
    if task.label_field is None or context.config.problem_type == "regression":
        raise UserError(
            "there are no classes by which scores could be sliced",
            where="evaluation.slices=[label]",
            expected="text classification with classes, or token classification",
            found="numbers: regression" if task.label_field else recipe.task.kind,
            fix="leave label out; length slices by the length of the inputs, and a column by its values",
        )


def slice_scores(
    setup: EvaluationSetup, split: str, records: Sequence[EvaluationRecord], predictions: Sequence[Prediction]
) -> tuple[SliceScore, ...]:
    """Return the score of each slice that the recipe asks for, by `best_metric`, with its interval.

    Args:
        setup: The recipe, the task and the examples.
        split: The split that is scored.
        records: Its examples with the predictions, in their order.
        predictions: The predictions of its features, of which the loss is the sum.
    """
    examples = setup.examples[split]
    groups = list(examples[GROUP]) if GROUP in examples.column_names else None
    found = []
    for by in setup.recipe.evaluation.slices:
        column = examples[SLICE + by][:] if SLICE + by in examples.column_names else ()
        for name, indices in find_slices(by, records, column, reads_words=setup.task.reads_words).items():
            score, interval = _score(setup, records, predictions, groups, indices)
            found.append(SliceScore(by, name, len(indices), setup.best_metric, score, interval))
    return tuple(found)


def find_slices(by: str, records: Sequence[EvaluationRecord], column: Sequence[str], *, reads_words: bool) -> Slices:
    """Return the slices of some examples.

    Args:
        by: `length`, `label` or a column.
        records: The examples.
        column: The value of each example in the column; unused for `length` and `label`.
        reads_words: Whether inputs are lists of words.
    """
    if by == LENGTH:
        unit = "words" if reads_words else "characters"
        return _by_length([_length(record.input, reads_words) for record in records], unit)
    values = [_classes(record.reference) for record in records] if by == LABEL else [[value] for value in column]
    return _by_value(values)


def _length(given: Any, reads_words: bool) -> int:
    """Return the length of an input: its words, or the characters of its texts."""
    if isinstance(given, list | tuple):
        return len(given) if reads_words else sum(len(str(text)) for text in given)
    return len(str(given))


def _by_length(lengths: Sequence[int], unit: str) -> Slices:
    """Return the quartiles of lengths; equal lengths are in one slice, so that there may be fewer than four."""
    bounds = np.quantile(lengths, [0.25, 0.5, 0.75])
    numbers = np.searchsorted(bounds, lengths, side="left")  # [examples]: of four quartiles, which
    slices: dict[str, list[int]] = {}
    for number in range(4):
        indices = np.flatnonzero(numbers == number).tolist()
        if indices:
            inside = [lengths[index] for index in indices]
            slices[f"{min(inside):,} to {max(inside):,} {unit}"] = indices
    return slices


def _classes(reference: Any) -> list[str]:
    """Return the classes of a reference: one, or those of a list without repeats."""
    if not isinstance(reference, list | tuple):
        return [str(reference)]
    return list(dict.fromkeys(str(label) for label in reference if label != NO_TARGET)) or [NO_LABEL]


def _by_value(values: Sequence[Iterable[str]]) -> Slices:
    """Return a slice for each of the most frequent values, the most frequent first, and one for all other values."""
    slices: dict[str, list[int]] = {}
    for index, several in enumerate(values):
        for value in several:
            slices.setdefault(value, []).append(index)
    ranked = [value for value, _ in Counter({value: len(indices) for value, indices in slices.items()}).most_common()]
    most, rest = ranked[:MOST_VALUES], ranked[MOST_VALUES:]
    found = {value: slices[value] for value in most}
    if rest:
        others = sorted({index for value in rest for index in slices[value]})
        found[f"other ({len(rest):,} values)"] = others
    return found


def _score(
    setup: EvaluationSetup,
    records: Sequence[EvaluationRecord],
    predictions: Sequence[Prediction],
    groups: Sequence[str] | None,
    indices: Sequence[int],
) -> tuple[float | None, Interval | None]:
    """Return the score of some examples, and its interval."""
    best = setup.best_metric
    chosen = [records[index] for index in indices]
    units = None if groups is None else [groups[index] for index in indices]
    if best == "loss":
        return _loss(predictions, set(indices), groups)
    if not _is_defined(best, chosen):
        return None, None
    names = _metrics_of(best, setup.recipe.evaluation.metrics or setup.task.metric_names(setup.context))
    scores = setup.task.score(chosen, setup.context, intervals=True, groups=units, names=names)
    value = scores.values.get(best)
    if value is None or not math.isfinite(value):
        return None, None
    return value, scores.intervals.get(best)


def _metrics_of(value: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the metric that gives a value; all of them where that is not known by their names."""
    giving = [name for name in names if value in (metrics.value_names(name) or ())]
    return (giving[0],) if giving else tuple(names)


def _loss(
    predictions: Sequence[Prediction], indices: set[int], groups: Sequence[str] | None
) -> tuple[float | None, Interval | None]:
    """Return the mean loss per target of some examples, and its interval."""
    from finetune.metrics.intervals import quotient_interval  # imports SciPy, which takes half a second

    chosen = [one for one in predictions if one.example in indices]
    losses, targets = [one.loss for one in chosen], [one.num_targets for one in chosen]
    if not sum(targets):
        return None, None
    units = [one.example if groups is None else groups[one.example] for one in chosen]
    return sum(losses) / sum(targets), quotient_interval(losses, targets, units)


def _is_defined(score: str, records: Sequence[EvaluationRecord]) -> bool:
    """Return whether a score says something of these examples; metrics give 0 where it is a quotient of zeros."""
    sides = [[record.reference for record in records], [record.prediction for record in records]]
    if score in _NEED_VARIETY:
        return all(len({repr(value) for value in side}) > 1 for side in sides)
    values = [value for side in sides for value in side]
    if score in _NEED_LABELS and all(isinstance(value, list | tuple) for value in values):
        return any(label not in (OUTSIDE, NO_TARGET) for labels in values for label in labels)
    return True
