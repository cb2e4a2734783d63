"""Tasks: what turns examples into features, model outputs into a loss, predictions and scores. One file a task.

Here belongs what differs between tasks. What does not (the loop, the optimizer, checkpoints) lives in
`finetune.training`; reading files in `finetune.data`; the scores' formulas in `finetune.metrics`.
"""

import importlib

from finetune import recipe
from finetune.tasks.base import Batch, EvaluationRecord, Prediction, Task, TaskContext

__all__ = ["Batch", "EvaluationRecord", "Prediction", "Task", "TaskContext", "create"]


def create(config: recipe.Recipe) -> Task:
    """The task object that a recipe's `task` section names."""
    module, _, name = config.task.implementation.partition(":")
    task: Task = getattr(importlib.import_module(module), name)(config)
    return task
