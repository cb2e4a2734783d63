"""Finished runs and evaluations, as their folders hold them: the recipe, and the examples with the predictions."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune import compose, models, tasks
from finetune.checkpointing.run_folder import EVALUATION_RECIPE, RunFolder
from finetune.errors import UserError
from finetune.metrics import MetricOptions
from finetune.models.stored_config import read_config
from finetune.recipe import Model, Recipe
from finetune.tasks import EvaluationRecord, Task, TaskContext

PREDICTIONS = "predictions_test.jsonl"
_SHOWN = ("id", "input", "reference", "prediction")


@dataclass(frozen=True)
class StoredRun:
    """A finished run, or an evaluation of a trained model.

    Args:
        folder: The run folder, or that of the evaluation.
        recipe: The recipe with all values resolved.
        task: The task.
        context: The context of the task, with the labels.
        records: The examples with the model's predictions, in the order of their numbers.
    """

    folder: Path
    recipe: Recipe
    task: Task
    context: TaskContext
    records: tuple[EvaluationRecord, ...]

    @property
    def groups(self) -> list[str] | None:
        """The group of each example, where the recipe has a column of groups."""
        if any("group" not in record.extra for record in self.records):
            return None
        return [str(record.extra["group"]) for record in self.records]

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of the recipe, or else of the task, that need no more than the predictions that are stored."""
        names = self.recipe.evaluation.metrics or self.task.metric_names(self.context)
        return tuple(name for name in names if name not in self.task.unstored_metrics)

    def options_of(self, metric: str) -> MetricOptions:
        """Return the options of a metric."""
        return self.task.options_of(metric, self.context)


def read_run(folder: Path) -> StoredRun:
    """Read a finished run, or an evaluation of a trained model.

    Raises:
        UserError: The folder is not that of a run, the run is not finished, or its predictions cannot be read or have
            no references.
    """
    run = RunFolder(folder)
    evaluated_by = folder / EVALUATION_RECIPE
    if not run.recipe.is_file() and not evaluated_by.is_file():
        raise UserError(
            f"{folder} is not the folder of a run",
            expected="a folder such as runs/<recipe>/<time>, or the --output of finetune evaluate",
            found="no recipe.yaml in it" if folder.is_dir() else "no such folder",
        )
    is_evaluation = evaluated_by.is_file()
    if not is_evaluation and not run.is_finished:
        raise UserError(
            f"the run {folder} is not finished",
            found="no results.json in it",
            fix=f"finetune run resume={folder}",
        )
    recipe = compose.load_recipe(str(evaluated_by if is_evaluation else run.recipe))
    predictions = _predictions_of(folder) if is_evaluation else folder / PREDICTIONS
    records = tuple(sorted(read_records(predictions), key=lambda record: record.id))
    if all(record.reference is None for record in records):
        raise UserError(
            f"the examples of {folder} have no references",
            expected="examples with references, which predictions are compared with",
            found=f"{len(records):,} examples without one",
        )
    task = tasks.create(recipe)
    return StoredRun(folder, recipe, task, _context(run, task, records), records)


def _predictions_of(folder: Path) -> Path:
    """Return the file of predictions of an evaluation, which is named by the split that was scored."""
    return next(iter(sorted(folder.glob("predictions_*.jsonl"))), folder / PREDICTIONS)


def read_records(path: Path) -> Iterator[EvaluationRecord]:
    """Return the records of a file of predictions.

    Raises:
        UserError: The file cannot be read, a line is not a record, or there is none.
    """
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                number += 1
                values: dict[str, Any] = json.loads(line)
                shown = {name: values.pop(name) for name in _SHOWN}
                yield EvaluationRecord(**shown, extra=values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        lost = isinstance(error, FileNotFoundError)
        raise UserError(
            f"the predictions of {path.parent} cannot be read",
            where=str(path) if lost else f"{path}, line {max(number, 1)}",
            expected=f"JSON objects with {', '.join(_SHOWN)}, one a line, as the run wrote them",
            found="no such file" if lost else f"{type(error).__name__}: {error}",
        ) from None
    if number == 0:
        raise UserError(f"the predictions of {path.parent} are empty", where=str(path), expected="one line an example")


def _context(run: RunFolder, task: Task, records: tuple[EvaluationRecord, ...]) -> TaskContext:
    """Return the context in which the task scores; the weights of the model are not loaded."""
    model = Model(name=str(run.model))
    config = read_config(model.name or "")
    names = sorted((config.id2label or {}).items())
    labels = tuple(str(name) for _, name in names) if task.label_field else None
    tokenizer = models.load_tokenizer(model, lambda: (), split_words=task.reads_words)
    return TaskContext(tokenizer, config, labels, has_words=task.has_words([record.reference for record in records]))
