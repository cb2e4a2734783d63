"""The scores of a trained model on other data than those that its run was tested on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import datasets

from finetune import metrics
from finetune.allowed_code import require_allowed
from finetune.hardware.cpu_tuning import tune_process
from finetune.progress import say, warn
from finetune.recipe import Recipe
from finetune.serve.evaluation_data import (
    OF_MODEL,
    EvaluationData,
    SplitName,
    check_evaluation_overrides,
    load_evaluation_data,
    recipe_of_data,
)
from finetune.serve.evaluation_folder import check_new, write_evaluation
from finetune.serve.loading import config_of, find_recipe, load_predictor
from finetune.serve.predictor import Predictor
from finetune.tasks import EvaluationRecord, TaskContext
from finetune.tasks.predictions import references
from finetune.tasks.room import check_room
from finetune.training.evaluation import EvaluationResult, evaluate
from finetune.training.evaluation_setup import EncodedSplit, EvaluationSetup
from finetune.training.score_table import facts_of_scores, print_scores, print_slices
from finetune.training.selection import check_best_metric
from finetune.training.slices import SliceScore, check_slices


@dataclass(frozen=True)
class ModelEvaluation:
    """The scores of a trained model on some examples.

    Args:
        model: The model as the user named it.
        recipe: The recipe by which the examples were read and scored.
        data: What the examples are, in a few words.
        split: Which split they are.
        evaluated: The scores, and the predictions.
        context: The context of the task, with the labels and the tokenizer of the model.
        is_main_process: Whether this process has the predictions. Of several, under `accelerate launch`, only the first
            has; each has the scores.
    """

    model: str
    recipe: Recipe = field(repr=False)
    data: str
    split: SplitName
    evaluated: EvaluationResult = field(repr=False)
    context: TaskContext = field(repr=False)
    is_main_process: bool = True

    @property
    def scores(self) -> dict[str, float]:
        """The scores by name, with `loss` in nats per target."""
        return self.evaluated.values

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The 95% confidence intervals of the scores by name: the lower and the upper bound."""
        return {name: (one.low, one.high) for name, one in self.evaluated.intervals.items()}

    @property
    def records(self) -> tuple[EvaluationRecord, ...]:
        """The examples with the predictions of the model."""
        return self.evaluated.records

    @property
    def slices(self) -> tuple[SliceScore, ...]:
        """The scores of parts of the examples, where `evaluation.slices` asks for them."""
        return self.evaluated.slices

    @property
    def results(self) -> dict[str, Any]:
        """What results.json holds: the model, the data, and the scores with their intervals and details."""
        program = self.recipe.attention.program
        return {
            "model": self.model,
            "recipe": self.recipe.name,
            "masks": "standard" if program.is_standard else program.to_config(),
            "data": self.data,
            "split": self.split,
            "examples": len(self.records),
            self.split: self.scores,
            **facts_of_scores(self.evaluated),
        }

    def print(self) -> None:
        """Print the scores with their intervals on standard output, once where there are several processes."""
        if not self.is_main_process:
            return
        title = f"{self.model}: results on {len(self.records):,} examples of {self.data}"
        print_scores(title, self.recipe.name or self.recipe.model.description, self.evaluated)
        print_slices(self.evaluated, self.recipe.training.greater_is_better)

    def save(self, folder: Path) -> None:
        """Write the scores and the predictions into a new folder, which `finetune compare` reads.

        Of several processes only the first, which has all predictions, writes.

        Raises:
            UserError: The folder is there and not empty, or it cannot be written.
        """
        if not self.is_main_process:
            return
        write_evaluation(folder, self.recipe, self.results, self.split, self.records, self.context)


def evaluate_model(
    name: str,
    path: str | None = None,
    split: SplitName | None = None,
    *,
    kind: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    output: Path | None = None,
    data: str | None = None,
) -> ModelEvaluation:
    """Score a trained model on data, as a run scores its own model on its test split.

    Args:
        name: The model: the folder of a run, of a run's model or checkpoint, or of any model; or a name on the Hub.
        path: A file or a folder; None for the data that the overrides name, or else those of the model's own recipe.
        split: The split of the data. None is test, or the only one of a file.
        kind: The task; needed only if neither a recipe nor the model's class says what the model was trained for.
        overrides: Other values of keys of the model's recipe, such as `data.name` and `evaluation.metrics`.
        output: A new folder for the scores and the predictions; None writes nothing.
        data: What the examples are, in a few words; None says it by the recipe.

    Raises:
        UserError: The model or the data cannot be loaded, they do not go together, or the folder is there.
    """
    given = dict(overrides or {})
    check_evaluation_overrides(given)
    if output is not None:
        check_new(output)
    of_model = {key: value for key, value in given.items() if key.startswith(OF_MODEL)}
    origin, own = find_recipe(name, kind, of_model)
    of_data = {key: value for key, value in given.items() if key not in of_model}
    recipe, is_other = recipe_of_data(origin, own, path, of_data)
    require_allowed(recipe)
    datasets.disable_progress_bars()
    examples = load_evaluation_data(recipe, config_of(origin.model), split, is_other=is_other)
    predictor = load_predictor(origin, examples.recipe)
    context, evaluated = _evaluated(predictor, examples)
    described = data or examples.description
    is_main = predictor.accelerator.is_main_process
    found = ModelEvaluation(name, examples.recipe, described, examples.split, evaluated, context, is_main)
    if output is not None and is_main:
        found.save(output)
        say(f"scores and predictions: {output}")
    return found


def _evaluated(predictor: Predictor, data: EvaluationData) -> tuple[TaskContext, EvaluationResult]:
    """Return the context of the task on these examples, and their scores."""
    task, recipe, split = predictor.task, data.recipe, data.split
    examples = getattr(data.loaded, split)
    has_words = task.has_words(references(data.loaded.dev, task.reference_field))
    context = replace(predictor.context, has_words=has_words)
    check_room(task, context)
    metrics.check_metric(recipe.evaluation.metrics or task.metric_names(context), options=task.metric_options(context))
    if recipe.evaluation.slices:
        check_best_metric(recipe, task, context)
        check_slices(recipe, task, context)
    if recipe.training.cpu_tuning:
        tune_process(predictor.accelerator)
    encoded = task.encode(examples, context)
    setup = EvaluationSetup(
        recipe=recipe,
        accelerator=predictor.accelerator,
        precision=predictor.precision,
        matmul=predictor.matmul,
        task=task,
        context=context,
        examples={split: examples},
        encoded={split: EncodedSplit.of(encoded)},
    )
    _introduce(predictor, data, setup, [*task.notes({split: encoded}), *task.metric_notes(context)])
    return context, evaluate(setup, predictor.model, split, final=True)


def _introduce(predictor: Predictor, data: EvaluationData, setup: EvaluationSetup, notes: list[str]) -> None:
    """Show what is evaluated, once where there are several processes: the model, its masks, notes and warnings."""
    if not predictor.accelerator.is_main_process:
        return
    say(f"{predictor.description}, masks: {data.recipe.attention.description}")
    for note in [*data.loaded.notes, *notes]:
        say(f"  {note}")
    features = {split: encoded.features for split, encoded in setup.encoded.items()}
    for warning in [*data.loaded.warnings, *setup.task.tokenizer_losses(setup.examples, features, setup.context)]:
        warn(str(warning))
