"""The parts of a run, loaded one after another: accelerator, data, tokenizer, model and features."""

import datasets
from accelerate import Accelerator
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune import models
from finetune.attention import pretrained
from finetune.data import LoadedData, load_data
from finetune.hardware.cpu_tuning import tune_process
from finetune.hardware.precision import Precision
from finetune.progress import say
from finetune.recipe import Recipe
from finetune.tasks import Task, TaskContext
from finetune.tasks.predictions import references
from finetune.training.masks import apply_masks, check_sites

SPLITS = ("train", "dev", "test")
_MANY_ROWS = 100_000
"""The number of examples from which on encoding takes so long that it is said."""


def start_accelerator(recipe: Recipe, precision: Precision) -> Accelerator:
    """Start accelerate in the given precision, and tune the process for its CPU unless the recipe forbids it."""
    accelerator = precision.accelerator()
    if recipe.training.cpu_tuning:
        tune_process(accelerator)
    datasets.disable_progress_bars()
    return accelerator


def load_splits(recipe: Recipe, task: Task, accelerator: Accelerator) -> LoadedData:
    """Load all splits; the main process loads them first, and the others read what it has cached."""
    with accelerator.main_process_first():
        return task.prepare(load_data(recipe.data, task.fields, recipe.evaluation.slice_columns))


def load_tokenizer(recipe: Recipe, task: Task, loaded: LoadedData) -> PreTrainedTokenizerBase:
    """Load the tokenizer or train one; each process trains its own, as the result is always the same."""
    return models.load_tokenizer(recipe.model, lambda: task.texts(loaded.train), split_words=task.reads_words)


def load_model(
    recipe: Recipe, task: Task, loaded: LoadedData, tokenizer: PreTrainedTokenizerBase, accelerator: Accelerator
) -> PreTrainedModel:
    """Load the model with its head, its adapter, its frozen weights and its masks; the main process loads first."""
    with accelerator.main_process_first():
        model = models.load_model(
            recipe.model,
            task.head,
            tokenizer,
            labels=_labels(task, loaded),
            seed=recipe.seed,
            problem_type=task.problem_type(loaded),
        )
        model = models.adapt(model, recipe.adapter, task.head, seed=recipe.seed)
    models.freeze(model, recipe.training.freeze)
    check_sites(model, recipe.attention)
    apply_masks(model, task.program, tokenizer, recipe.attention.kernel)
    return model


def describe_run(
    recipe: Recipe, task: Task, loaded: LoadedData, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel
) -> TaskContext:
    """Return what the task needs to encode and score examples: tokenizer, configuration, labels and layout."""
    ragged = recipe.training.layout == "ragged" and pretrained.reads_streams(model)
    has_words = task.has_words(references(loaded.dev, task.reference_field))
    return TaskContext(tokenizer, model.config, _labels(task, loaded), ragged, has_words=has_words)


def _labels(task: Task, loaded: LoadedData) -> tuple[str, ...] | None:
    return loaded.labels[task.label_field] if task.label_field else None


def encode_splits(task: Task, loaded: LoadedData, context: TaskContext, accelerator: Accelerator) -> dict[str, Dataset]:
    """Encode every split; one process of each machine encodes first, and the others read what it has cached."""
    if accelerator.is_main_process and (rows := sum(len(getattr(loaded, split)) for split in SPLITS)) >= _MANY_ROWS:
        say(f"encoding {rows:,} examples, unless this was done before")
    with accelerator.local_main_process_first():
        return {split: task.encode(getattr(loaded, split), context) for split in SPLITS}
