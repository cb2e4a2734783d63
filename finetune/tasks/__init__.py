"""Tasks: they convert examples to features, and model outputs to a loss, predictions and scores. One file a task.

This package holds what differs between tasks. The training loop, the optimizer and checkpoints, which do not, are in
`finetune.training`; reading of files is in `finetune.data`, and the computation of scores in `finetune.metrics`.
"""

import importlib
from typing import TYPE_CHECKING

from finetune import recipe
from finetune.errors import UserError
from finetune.lazy import lazy_names

if TYPE_CHECKING:
    from finetune.tasks.base import Task
    from finetune.tasks.batch import Batch
    from finetune.tasks.context import TaskContext
    from finetune.tasks.predictions import EvaluationRecord, Prediction

__all__ = ["Batch", "EvaluationRecord", "Prediction", "Task", "TaskContext", "create"]


# Lazy, since `fields` must do without torch.
__getattr__ = lazy_names(
    __name__,
    {
        "Batch": "batch",
        "EvaluationRecord": "predictions",
        "Prediction": "predictions",
        "Task": "base",
        "TaskContext": "context",
    },
)


def create(config: recipe.Recipe) -> "Task":
    """Return the task that a recipe's `task` section names.

    Raises:
        UserError: A key of the recipe is wrong, or the implementation of a task of another package cannot be imported.
    """
    implementation = config.task.implementation
    module, _, name = implementation.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UserError(
            f"the task {config.task.kind!r} cannot be imported",
            where=implementation,
            found=f"{type(error).__name__}: {error}",
            fix="update or correct the package that brings it",
        ) from error
    task: Task = found(config)
    return task
