"""Which checkpoint is the best by its scores on dev, and when patience ends."""

import math
from collections.abc import Mapping
from itertools import chain

from finetune import metrics
from finetune.checkpointing.state import TrainingState
from finetune.errors import UserError, nearest
from finetune.recipe import Recipe
from finetune.tasks import Task, TaskContext


def check_best_metric(recipe: Recipe, task: Task, context: TaskContext) -> None:
    """Find out before training whether checkpoints can be compared.

    Raises:
        UserError: No metric of the run gives the best metric, or its name does not tell its direction.
    """
    given = [metrics.value_names(name) for name in recipe.evaluation.metrics or task.metric_names(context)]
    best = recipe.training.best_metric or task.best_metric(context)
    values = ["loss", *chain.from_iterable(value for value in given if value is not None)]
    if best not in values and None not in given:  # a Hub metric's values are not known beforehand
        near = nearest(best, values)
        raise UserError(
            f"no metric of this run gives {best!r}, by which the best checkpoint is chosen",
            where="training.best_metric",
            expected=f"one of: {', '.join(values)}",
            found=best,
            fix=f"training.best_metric={near or values[-1]}, or name its metric in evaluation.metrics",
        )
    greater_is_better(best, recipe.training.greater_is_better)


def greater_is_better(best_metric: str, told: bool | None) -> bool:
    """Return whether a greater value of the best metric is better.

    Args:
        best_metric: The name of the value that chooses the best checkpoint.
        told: What the recipe says, if it does; otherwise the name tells.

    Raises:
        UserError: Neither tells.
    """
    direction = metrics.greater_is_better(best_metric) if told is None else told
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
    """Note in the state what an evaluation on dev changes: the best checkpoint, and what patience counts.

    Among equal values of the best metric the lower loss is better, then the later evaluation. A value that is not a
    number is worse than any other. Evaluations that only tie are not counted by patience before the first gain, while
    the value is 0 or the loss still falls: a metric that starts late says nothing of the model yet.

    Args:
        state: Where training stands; it is changed.
        values: All dev scores by name, the loss among them.
        best_metric: The name of the value that is compared.
        greater_is_better: Its direction.

    Raises:
        UserError: There is no such value among the scores.
    """
    if best_metric not in values:  # of a Hub metric, whose values only an evaluation tells
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
    """A number that is greater for better values; that of what is not a number is the least."""
    if value is None or math.isnan(value):
        return -math.inf
    return value if greater_is_better else -value
