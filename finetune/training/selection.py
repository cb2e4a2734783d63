"""Selection of the best checkpoint by its scores on dev, and early stopping."""

import math
from collections.abc import Mapping
from itertools import chain

from finetune import metrics
from finetune.checkpointing.state import TrainingState
from finetune.errors import UserError, nearest
from finetune.recipe import Recipe
from finetune.tasks import Task, TaskContext


def check_best_metric(recipe: Recipe, task: Task, context: TaskContext) -> None:
    """Check before training that checkpoints can be compared by `best_metric`.

    Raises:
        UserError: No metric of the run gives a score of that name, or it is not known whether greater values of it are
            better.
    """
    given = [metrics.value_names(name) for name in recipe.evaluation.metrics or task.metric_names(context)]
    best = recipe.training.best_metric or task.best_metric(context)
    values = ["loss", *chain.from_iterable(value for value in given if value is not None)]
    if best not in values and None not in given:  # the names of a Hub metric's scores are not known before training
        near = nearest(best, values)
        raise UserError(
            f"no metric of this run gives {best!r}, by which the best checkpoint is chosen",
            where="training.best_metric",
            expected=f"one of: {', '.join(values)}",
            found=best,
            fix=f"training.best_metric={near or values[-1]}, or name its metric in evaluation.metrics",
        )
    greater_is_better(best, recipe.training.greater_is_better)


def greater_is_better(best_metric: str, configured: bool | None) -> bool:
    """Return whether a greater value of the best metric is better.

    Args:
        best_metric: Name of the score that selects the best checkpoint.
        configured: Value of `training.greater_is_better` in the recipe; None looks it up by the name of the score.

    Raises:
        UserError: `configured` is None, and the direction of this score is not known.
    """
    direction = metrics.greater_is_better(best_metric) if configured is None else configured
    if direction is None:
        raise UserError(
            f"whether a greater {best_metric!r} is better is not known, and it chooses the best checkpoint",
            where="training.best_metric",
            expected="a metric whose direction is known, or its direction",
            found=best_metric,
            fix="training.greater_is_better=false where lower values are better (errors, distances), "
            "training.greater_is_better=true where greater values are",
        )
    return direction


def update_best(
    state: TrainingState, values: Mapping[str, float], best_metric: str, *, greater_is_better: bool
) -> None:
    """Update the best checkpoint and the count of evaluations without gain after an evaluation on dev.

    Among equal values of the best metric, the lower loss is better, and then the later evaluation. NaN is worse than
    any number. Before the first gain, evaluations whose value equals the best one do not count against patience while
    the value is 0 or the loss still falls: some metrics, such as F1 of entities, stay at 0 for many steps at first.

    Args:
        state: State of the training; it is changed.
        values: All dev scores by name, with `loss`.
        best_metric: Name of the score that is compared.
        greater_is_better: Whether greater values of that score are better.

    Raises:
        UserError: There is no score of that name.
    """
    if best_metric not in values:  # the names of a Hub metric's scores are known only after an evaluation
        raise UserError(
            f"the dev scores have no {best_metric!r}, by which the best checkpoint is chosen",
            where="training.best_metric",
            expected=", ".join(values),
        )
    value, loss = values[best_metric], _rank(values["loss"], greater_is_better=False)
    if state.best_value is None:
        state.has_gained, state.evaluations_without_gain = False, 0
        _take(state, values, best_metric)
        return
    now, before = (_rank(one, greater_is_better=greater_is_better) for one in (value, state.best_value))
    best_loss = _rank(state.best_loss, greater_is_better=False)
    is_nothing = math.isnan(value) or (greater_is_better and value == 0)
    starts_late = now == before and not state.has_gained and (is_nothing or loss > best_loss)
    if now > before or (now == before and loss >= best_loss):
        _take(state, values, best_metric)
    if now > before:
        state.has_gained, state.evaluations_without_gain = state.has_gained or not is_nothing, 0
    elif not starts_late:
        state.evaluations_without_gain += 1


def _take(state: TrainingState, values: Mapping[str, float], best_metric: str) -> None:
    state.best_value, state.best_loss, state.best_step = values[best_metric], values["loss"], state.step


def _rank(value: float | None, *, greater_is_better: bool) -> float:
    """Return a number that is greater for better values, and least for NaN and None."""
    if value is None or math.isnan(value):
        return -math.inf
    return value if greater_is_better else -value
