"""Warnings of trivial test predictions: the same one for all examples, or none better than the majority class.

Scores alone can hide this: where 95% of the words have the label O, a model that always predicts O has an accuracy of
95%.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import numpy as np
from datasets import Dataset

from finetune.data.labels import NO_TARGET
from finetune.data.messages import plural
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.tasks import EvaluationRecord, Task
from finetune.training.split_figures import count_labels, has_lists

_LEAST_SPREAD = 0.01
"""Standard deviation of predicted numbers, relative to that of the references, below which they count as the same."""
_FEWEST_STEPS = 10
"""Number of steps below which predicted texts tell nothing, since a new decoder writes nothing sensible after them."""
_EMPTY_SHARE = 0.5
"""Share of empty predictions from which on there is a warning."""
_LONGEST = 60
"""Number of characters of a prediction that a message shows."""

Pairs = Sequence[tuple[Any, Any]]
"""Pairs of prediction and reference, for each example or each word."""


def find_trivial(task: Task, train: Dataset, records: Sequence[EvaluationRecord], steps: int) -> UserError | None:
    """Return a warning if the test predictions are trivial, with keys of the recipe that may help; otherwise None.

    Args:
        task: The task of the run.
        train: The examples of the train split.
        records: The predictions and references of the test split.
        steps: Number of optimizer steps of the run.
    """
    if task.writes_text and steps < _FEWEST_STEPS:
        return None
    pairs = list(_pairs(task, records))
    if len({reference for _, reference in pairs}) < 2:  # all references are the same, or there are none
        return None
    commonest = _commonest(task, train)
    problem = _same_numbers(pairs) or _empty(pairs) or _same(pairs, task) or _no_better(pairs, commonest)
    if problem is None:
        return None
    what, found = problem
    return UserError(what, found=found, fix=_way_on(task.recipe, steps, weighted=commonest is not None))


def _pairs(task: Task, records: Sequence[EvaluationRecord]) -> Iterator[tuple[Hashable, Hashable]]:
    for record in records:
        if record.reference is None:
            continue
        if task.reads_words:
            words = zip(record.prediction, record.reference, strict=True)
            yield from ((given, wanted) for given, wanted in words if wanted != NO_TARGET)
        else:
            yield _hashable(record.prediction), _hashable(record.reference)


def _hashable(answer: Any) -> Hashable:
    return tuple(sorted(answer)) if isinstance(answer, list) else answer


def _commonest(task: Task, train: Dataset) -> str | None:
    """Return the majority class of the train split; None for a task without exactly one class per example or word."""
    if task.label_field is None or (has_lists(train, task.label_field) and not task.reads_words):
        return None
    counts = count_labels(train, task.label_field)
    return min(counts, key=lambda label: (-counts[label], label), default=None)


def _same_numbers(pairs: Pairs) -> tuple[str, str] | None:
    if not all(isinstance(value, float) for pair in pairs for value in pair):
        return None
    predicted, wanted = np.array(pairs).T
    if predicted.std() >= _LEAST_SPREAD * wanted.std():
        return None
    found = f"predictions of {predicted.min():.4g} to {predicted.max():.4g}, references {wanted.min():.4g} to "
    return "the model predicts the same number for all", f"{found}{wanted.max():.4g}"


def _empty(pairs: Pairs) -> tuple[str, str] | None:
    empty = sum(prediction in ("", ()) for prediction, _ in pairs)
    wanted = sum(reference in ("", ()) for _, reference in pairs)
    if empty < max(_EMPTY_SHARE * len(pairs), 1) or empty <= 2 * wanted:
        return None
    what = "texts" if isinstance(pairs[0][0], str) else "sets of labels"
    return f"the model predicts empty {what}", f"{empty:,} of {len(pairs):,}, of the references {wanted:,}"


def _same(pairs: Pairs, task: Task) -> tuple[str, str] | None:
    predictions = {prediction for prediction, _ in pairs}
    if len(predictions) > 1:
        return None
    if task.writes_text:
        return "the model writes the same text for all", f"{_shown(pairs[0][0])} for {len(pairs):,} texts"
    what = "words" if task.reads_words else "texts"
    classes = len({reference for _, reference in pairs})
    found = f"{_shown(pairs[0][0])} for all {len(pairs):,} {what}, whose references have {classes} classes"
    return "the model predicts one class only", found


def _no_better(pairs: Pairs, commonest: str | None) -> tuple[str, str] | None:
    """Return a warning if always predicting the majority class of the train split is right at least as often."""
    if commonest is None:
        return None
    right = sum(prediction == reference for prediction, reference in pairs) / len(pairs)
    baseline = sum(reference == commonest for _, reference in pairs) / len(pairs)
    if right > baseline:
        return None
    (most, count), *_ = Counter(prediction for prediction, _ in pairs).most_common(1)
    found = (
        f"accuracy {right:.4f}, of the majority baseline {baseline:.4f} (always {_shown(commonest)}); predicted most "
    )
    return (
        "the model is no better than always predicting the commonest class",
        f"{found}often: {_shown(most)}, {count:,} times",
    )


def _shown(answer: object) -> str:
    text = repr(list(answer)) if isinstance(answer, tuple) else repr(answer)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _way_on(recipe: Recipe, steps: int, *, weighted: bool) -> str:
    training = recipe.training
    if training.steps is None:
        longer = f"training.epochs={3 * training.epochs}"
    else:
        longer = f"training.steps={3 * training.steps}"
    ways = [f"{longer} trains longer than the {plural(steps, 'step')} of this run"]
    if weighted and training.class_weights is None:
        ways.append("training.class_weights=balanced lets rare classes count as much as common ones")
    ways.append(f"another training.learning_rate (it was {training.learning_rate:g})")
    return "; ".join(ways)
