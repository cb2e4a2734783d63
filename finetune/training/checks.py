"""Checks of a recipe that are made once its data and its model are known, before anything is trained."""

from finetune import metrics, models
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.tasks import Task, TaskContext
from finetune.tasks.room import check_room
from finetune.training.selection import check_best_metric


def check_run(recipe: Recipe, task: Task, context: TaskContext) -> None:
    """Find out now what would otherwise stop the run at its first evaluation.

    Raises:
        UserError: A single class, baselines that the task does not have, lengths beyond the model's or too short,
            metrics that cannot be had, a best_metric that none of them gives or whose direction is not known.
    """
    has_classes = context.config.problem_type == "single_label_classification"
    if recipe.evaluation.baselines:
        task.check_baselines(context)
    if has_classes and len(context.labels or ()) < 2:
        raise UserError(
            "there is nothing to tell apart: all examples have one class",
            where=f"column {recipe.data.columns.label!r}",
            expected="two classes or more",
            found=", ".join(context.labels or ()),
            fix="data.columns.label=... names another column",
        )
    for key, length in task.lengths.items():
        models.check_length(context.config, length, key)
    check_room(task, context)
    names = recipe.evaluation.metrics or task.metric_names(context)
    metrics.check_metric(names, options=task.metric_options(context))
    check_best_metric(recipe, task, context)
