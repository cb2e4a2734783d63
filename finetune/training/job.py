"""Everything a run needs, loaded and encoded: from a recipe to a `Job`."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune import models, tasks
from finetune.attention import Program, pretrained
from finetune.data import Loaded, load
from finetune.data.batches import BatchPlan, Indices
from finetune.data.features import Features
from finetune.errors import UserError, nearest
from finetune.recipe import Recipe
from finetune.tasks import Batch, Task, Tools
from finetune.training.checks import check_run
from finetune.training.cpu_tuning import choose_shared_matmul, tune_process, tuned
from finetune.training.matmul import Matmul
from finetune.training.precision import Precision, choose_precision
from finetune.training.prefetch import pinned, prefetch
from finetune.training.progress import console, say
from finetune.training.resume import resumed
from finetune.training.run_folder import RunFolder
from finetune.training.selection import greater_is_better
from finetune.training.state import State
from finetune.training.trackers import check_trackers, start_trackers

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Encoded:
    """A split's features, and the figures that batches are planned by; int64, [features] each."""

    features: Features
    lengths: Indices
    targets: Indices

    @classmethod
    def of(cls, encoded: Dataset) -> "Encoded":
        """Read the features into memory once."""
        features = Features.of(encoded)
        lengths, targets = (features.columns[name].values.astype(np.int64) for name in ("length", "targets"))
        return cls(features, lengths, targets)


@dataclass
class Job:
    """A run that is ready to start."""

    recipe: Recipe
    accelerator: Accelerator
    precision: Precision
    matmul: Matmul
    task: Task
    tools: Tools
    model: PreTrainedModel
    examples: Mapping[str, Dataset]
    encoded: Mapping[str, Encoded]
    folder: RunFolder
    resumed: bool = False
    """Whether the folder is that of a run which goes on."""
    on_checkpoint: Callable[[Path, State], None] | None = None
    """Told of each checkpoint once it is whole: its folder, and where training stands; on the main process alone."""

    @property
    def best_metric(self) -> str:
        """Dev value that chooses the best checkpoint."""
        return self.recipe.training.best_metric or self.task.best_metric(self.tools)

    @property
    def greater_is_better(self) -> bool:
        """Whether a greater best_metric is better."""
        return greater_is_better(self.best_metric, self.recipe.training.greater_is_better)

    @property
    def plan(self) -> BatchPlan:
        """How epochs of the train split are cut into batches."""
        training = self.recipe.training
        return BatchPlan(
            self.encoded["train"].lengths,
            training.batch_size,
            training.tokens_per_batch,
            training.group_by_length,
            self.recipe.seed,
        )

    def tuned(self) -> AbstractContextManager[None]:
        """Return a block in which the model is computed as the recipe's `training.cpu_tuning` says."""
        return tuned(self.matmul, enabled=self.recipe.training.cpu_tuning)

    def batches(self, split: str, batches: Iterable[Indices]) -> Generator[Batch]:
        """The features of the given indices, collated ahead, on this process's device; to be closed if not used up."""
        collate = partial(self.collate, split)
        with closing(prefetch(collate, batches, ahead=self.recipe.training.prefetch)) as collated:
            for batch in collated:
                yield batch.to(self.accelerator.device)

    def collate(self, split: str, indices: Indices) -> Batch:
        """Return the features of the given indices as one batch in the CPU's memory, pinned where a GPU reads it."""
        batch = self.task.collate(self.encoded[split].features.take(indices), self.tools)
        return pinned(batch) if self.accelerator.device.type == "cuda" else batch


def prepare(recipe: Recipe) -> Job:
    """Load the data, the tokenizer and the model, and encode every split.

    Raises:
        UserError: Something in the recipe or the data is wrong.
    """
    recipe, folder = resumed(recipe)
    goes_on = folder is not None
    precision = choose_precision(recipe.training.precision)
    accelerator = _start_accelerator(recipe, precision)
    check_trackers(recipe.training.trackers)
    task = tasks.create(recipe)
    loaded = _load_data(recipe, task, accelerator)
    tokenizer = _load_tokenizer(recipe, task, loaded)
    model = _load_model(recipe, task, loaded, tokenizer, accelerator)
    tools = _describe_run(recipe, task, loaded, tokenizer, model)
    check_run(recipe, task, tools)
    features = _encode(task, loaded, tools, accelerator)
    encoded = {split: Encoded.of(features[split]) for split in SPLITS}
    tools = task.weighted(encoded["train"].features, tools)
    set_seed(recipe.seed, device_specific=True)
    matmul = choose_shared_matmul(recipe.training, model, accelerator, precision)
    folder = folder or _shared_folder(recipe, accelerator, {"precision": asdict(precision), "matmul": asdict(matmul)})
    examples = {split: getattr(loaded, split) for split in SPLITS}
    job = Job(recipe, accelerator, precision, matmul, task, tools, model, examples, encoded, folder, goes_on)
    with job.tuned():
        _rehearse(job)
    start_trackers(accelerator, recipe, folder.path)
    if accelerator.is_main_process:
        _introduce(job, [*loaded.notes, *task.notes(features), *task.metric_notes(tools), *_notes(job)])
    return job


def _start_accelerator(recipe: Recipe, precision: Precision) -> Accelerator:
    """Start accelerate in the given precision, and tune the process for its CPU where the recipe does not forbid it."""
    accelerator = precision.accelerator()
    if recipe.training.cpu_tuning:
        tune_process(accelerator)
    if not (console.is_terminal and accelerator.is_main_process):
        datasets.disable_progress_bars()
    return accelerator


def _load_data(recipe: Recipe, task: Task, accelerator: Accelerator) -> Loaded:
    """Read all splits; the main process reads first, and the others read what it has kept."""
    with accelerator.main_process_first():
        return task.prepare(load(recipe.data, task.fields))


def _load_tokenizer(recipe: Recipe, task: Task, loaded: Loaded) -> PreTrainedTokenizerBase:
    """Load the tokenizer, or train one: each process by itself, since that gives the same one every time."""
    split_words = task.head == "token_classification"
    return models.load_tokenizer(recipe.model, lambda: task.texts(loaded.train), split_words=split_words)


def _load_model(
    recipe: Recipe, task: Task, loaded: Loaded, tokenizer: PreTrainedTokenizerBase, accelerator: Accelerator
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
    apply_masks(model, task.program, tokenizer, recipe.attention.kernel)
    return model


def _describe_run(
    recipe: Recipe, task: Task, loaded: Loaded, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel
) -> Tools:
    """Return what the task needs to encode and score examples: tokenizer, configuration, labels and layout."""
    ragged = recipe.training.layout == "ragged" and pretrained.reads_streams(model)
    return Tools(tokenizer, model.config, _labels(task, loaded), ragged, has_words=task.has_words(loaded.dev))


def _labels(task: Task, loaded: Loaded) -> tuple[str, ...] | None:
    return loaded.labels[task.label_field] if task.label_field else None


def _encode(task: Task, loaded: Loaded, tools: Tools, accelerator: Accelerator) -> dict[str, Dataset]:
    """Encode every split; one process of each machine encodes first, and the others read what it has kept."""
    with accelerator.local_main_process_first():
        return {split: task.encode(getattr(loaded, split), tools) for split in SPLITS}


def _notes(job: Job) -> list[str]:
    """Return what the user should know of how this run trains, beside what the data and the task say."""
    training, notes = job.recipe.training, list[str]()
    if training.layout == "ragged" and not job.tools.ragged:
        notes.append("batches are padded: this model reads rows, not ragged streams")
    if job.recipe.adapter or training.freeze:
        notes.append(models.trained_share(job.model))
    return notes


def _rehearse(job: Job) -> None:
    """Compute one small batch under masks of the recipe's own: some can be refused by the model at work alone.

    Raises:
        UserError: The model cannot compute under the masks, or not generate.
    """
    if job.task.program.is_standard:
        return
    (batch,) = job.batches("dev", [np.arange(min(2, len(job.encoded["dev"].features)))])
    job.model.to(job.accelerator.device)
    try:
        with torch.inference_mode():
            job.task.loss(job.model, batch, 0.0)
            job.task.predict(job.model, batch, job.tools, final=False)
    except ValueError as error:
        raise UserError(f"the model cannot work under the recipe's masks: {error}", where="attention") from error


def apply_masks(
    model: PreTrainedModel, program: Program, tokenizer: PreTrainedTokenizerBase, kernel: str | None = None
) -> None:
    """Put the recipe's masks into the model, with the kernel that it names.

    Raises:
        UserError: The model cannot take them.
    """
    if program.is_standard and models.learns_prefix(model):
        return  # the stock attention takes the prefix, ours would refuse it
    special_tokens = pretrained.special_token_ids(tokenizer)
    asked = {name.removeprefix("is_") for name in program.needs.columns if name.startswith("is_")}
    if unknown := sorted(asked - special_tokens.keys()):
        near = nearest(unknown[0], special_tokens)
        raise UserError(
            f"a mask names the special token {unknown[0]!r}, which the tokenizer does not have",
            where="attention",
            expected=", ".join(sorted(special_tokens)),
            fix=f"did you mean {near}?" if near else None,
        )
    try:
        pretrained.apply_masks(model, program, special_tokens=special_tokens, kernel=kernel)
    except ValueError as error:
        if not program.is_standard:  # otherwise the stock model's own masks are the same
            raise UserError(f"the model cannot take the recipe's masks: {error}", where="attention") from error


def _shared_folder(recipe: Recipe, accelerator: Accelerator, chosen: Mapping[str, Any]) -> RunFolder:
    """One new folder for all processes."""
    paths = [str(RunFolder.create(recipe, chosen).path) if accelerator.is_main_process else ""]
    broadcast_object_list(paths)
    return RunFolder(Path(paths[0]))


def _introduce(job: Job, notes: list[str]) -> None:
    """Say what is about to happen."""
    sizes = ", ".join(f"{len(job.examples[split]):,} {split}" for split in SPLITS)
    weights = sum(weight.numel() for weight in job.model.parameters())
    say(
        f"{job.recipe.name}: {job.recipe.task.kind.replace('_', ' ')} with {job.recipe.model.description} "
        f"({weights / 1e6:.1f} M weights), examples: {sizes}"
    )
    for note in notes:
        say(f"  {note}")
    say(f"  best checkpoint: by dev {job.best_metric}, {'greater' if job.greater_is_better else 'lower'} is better")
    say(f"  precision: {job.precision}")
    if job.precision.name == "fp32" and job.accelerator.device.type == "cpu":
        say(f"  fp32 products: {job.matmul}")
    say(f"  run folder: {job.folder.path}")
