"""Checks of a recipe that are made before training, once its data and its model are loaded."""

from finetune import metrics, models
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.tasks import Task, TaskContext
from finetune.tasks.room import check_room
from finetune.training.selection import check_best_metric
from finetune.training.slices import check_slices


def check_run(recipe: Recipe, task: Task, context: TaskContext) -> None:
    """Raise the errors that would otherwise stop the run at its first evaluation.

    Args:
        recipe: The recipe of the run.
        task: The recipe's task.
        context: Tokenizer, model configuration and labels of the run.

    Raises:
        UserError: All examples have one class; the task has no baselines, or no classes for slices by class; a maximum
            length is beyond that of the model, or leaves no room for text; a metric cannot be loaded; or best_metric is
            not among the scores, or it is not known whether greater values of it are better.
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
    check_slices(recipe, task, context)
