"""Everything a run needs, loaded and encoded: from a recipe to a `Run`."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune import models, tasks
from finetune.attention import pretrained
from finetune.checkpointing.fingerprint import Fingerprint, take_fingerprint
from finetune.checkpointing.resume import Start, find_start
from finetune.checkpointing.run_folder import RunFolder
from finetune.checkpointing.run_lock import RunLock
from finetune.checkpointing.state import TrainingState
from finetune.data import LoadedData, load_data
from finetune.data.batches import BatchPlan, Indices
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.hardware.cpu_tuning import choose_shared_matmul, tune_process, tuned
from finetune.hardware.matmul import Matmul
from finetune.hardware.precision import Precision, choose_precision
from finetune.hardware.prefetch import pinned, prefetch
from finetune.progress import console, say, warn
from finetune.recipe import Recipe
from finetune.tasks import Batch, Task, TaskContext
from finetune.tasks.visibility import View, hidden_text
from finetune.training.callbacks import Callback, check_callbacks, named
from finetune.training.checks import check_run
from finetune.training.masks import apply_masks, follow_masks, rehearse
from finetune.training.selection import greater_is_better
from finetune.training.trackers import check_trackers, start_trackers

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class EncodedSplit:
    """A split's features, and the figures that batches are planned by; int64, [features] each."""

    features: Features
    lengths: Indices
    targets: Indices

    @classmethod
    def of(cls, encoded: Dataset) -> "EncodedSplit":
        """Read the features into memory once."""
        features = Features.of(encoded)
        lengths, targets = (features.columns[name].values.astype(np.int64) for name in ("length", "targets"))
        return cls(features, lengths, targets)


@dataclass
class Run:
    """A run that is ready to start."""

    recipe: Recipe
    accelerator: Accelerator
    precision: Precision
    matmul: Matmul
    task: Task
    context: TaskContext
    model: PreTrainedModel
    examples: Mapping[str, Dataset]
    encoded: Mapping[str, EncodedSplit]
    folder: RunFolder
    resumed: bool = False
    """Whether the folder is that of a run which goes on."""
    views: tuple[View, ...] = ()
    """What the model's head can know of a few train examples under masks of the recipe's own."""
    fingerprint: Fingerprint = field(default_factory=dict)
    """Checksums of the data and of the starting model; empty on all processes but the main one."""
    lock: RunLock = field(default_factory=RunLock)
    """The hold of the main process on the run's folder; nothing on other processes."""
    on_checkpoint: Callable[[Path, TrainingState], None] | None = None
    """Told of each checkpoint once it is whole: its folder, and where training stands; on the main process alone."""
    callbacks: tuple[Callback, ...] = ()
    """Code of the user's that the loop calls."""

    @property
    def best_metric(self) -> str:
        """Dev value that chooses the best checkpoint."""
        return self.recipe.training.best_metric or self.task.best_metric(self.context)

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
        batch = self.task.collate(self.encoded[split].features.take(indices), self.context)
        return pinned(batch) if self.accelerator.device.type == "cuda" else batch


def prepare(recipe: Recipe, callbacks: Sequence[Callback] = (), start: Start | None = None) -> Run:
    """Load the data, the tokenizer and the model, and encode every split.

    The run's folder is locked from then on, until training fails, `run.lock` is released or the process ends.

    Args:
        recipe: The run.
        callbacks: Code of the user's that the loop is to call.
        start: Where it starts, if that has been found out.

    Raises:
        UserError: Something in the recipe or the data is wrong, one of the callbacks is none, or the run that is to go
            on is trained.
    """
    callbacks = check_callbacks(callbacks)
    start = start or find_start(recipe)
    with start.lock.released_on_error():
        if start.folder is not None and start.is_finished:
            raise UserError(
                f"the run {start.folder.path} is trained and scored, and only to be published",
                where="resume",
                fix=f"finetune run resume={start.folder.path}",
            )
        return _prepare(start, callbacks)


def _prepare(start: Start, callbacks: tuple[Callback, ...]) -> Run:
    recipe, folder, lock = start.recipe, start.folder, start.lock
    goes_on = folder is not None
    precision = choose_precision(recipe.training.precision)
    accelerator = _start_accelerator(recipe, precision)
    check_trackers(recipe.training.trackers)
    task = tasks.create(recipe)
    loaded = _load_data(recipe, task, accelerator)
    tokenizer = _load_tokenizer(recipe, task, loaded)
    model = _load_model(recipe, task, loaded, tokenizer, accelerator)
    context = _describe_run(recipe, task, loaded, tokenizer, model)
    check_run(recipe, task, context)
    features = _encode(task, loaded, context, accelerator)
    encoded = {split: EncodedSplit.of(features[split]) for split in SPLITS}
    context = task.weighted(encoded["train"].features, context)
    set_seed(recipe.seed, device_specific=True)
    matmul = choose_shared_matmul(recipe.training, model, accelerator, precision)
    chosen = {"precision": asdict(precision), "matmul": asdict(matmul)} | named(callbacks)
    folder = folder or _shared_folder(recipe, accelerator, chosen, lock)
    examples = {split: getattr(loaded, split) for split in SPLITS}
    run = Run(recipe, accelerator, precision, matmul, task, context, model, examples, encoded, folder, goes_on)
    run.callbacks, run.lock = callbacks, lock
    if accelerator.is_main_process:
        features_of = {split: encoded[split].features for split in SPLITS}
        run.fingerprint = take_fingerprint(features_of, context.labels, model, tokenizer)
    with run.tuned():
        run.views = follow_masks(run)
        rehearse(run)
    start_trackers(accelerator, recipe, folder.path)
    if accelerator.is_main_process:
        warnings = [*loaded.warnings, *tokenizer_losses(run), *hidden_text(run.views, task.program)]
        _introduce(run, [*loaded.notes, *task.notes(features), *task.metric_notes(context), *_notes(run)], warnings)
    return run


def _start_accelerator(recipe: Recipe, precision: Precision) -> Accelerator:
    """Start accelerate in the given precision, and tune the process for its CPU where the recipe does not forbid it."""
    accelerator = precision.accelerator()
    if recipe.training.cpu_tuning:
        tune_process(accelerator)
    if not (console.is_terminal and accelerator.is_main_process):
        datasets.disable_progress_bars()
    return accelerator


def _load_data(recipe: Recipe, task: Task, accelerator: Accelerator) -> LoadedData:
    """Read all splits; the main process reads first, and the others read what it has kept."""
    with accelerator.main_process_first():
        return task.prepare(load_data(recipe.data, task.fields))


def _load_tokenizer(recipe: Recipe, task: Task, loaded: LoadedData) -> PreTrainedTokenizerBase:
    """Load the tokenizer, or train one: each process by itself, since that gives the same one every time."""
    return models.load_tokenizer(recipe.model, lambda: task.texts(loaded.train), split_words=task.reads_words)


def _load_model(
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
    apply_masks(model, task.program, tokenizer, recipe.attention.kernel)
    return model


def _describe_run(
    recipe: Recipe, task: Task, loaded: LoadedData, tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel
) -> TaskContext:
    """Return what the task needs to encode and score examples: tokenizer, configuration, labels and layout."""
    ragged = recipe.training.layout == "ragged" and pretrained.reads_streams(model)
    return TaskContext(tokenizer, model.config, _labels(task, loaded), ragged, has_words=task.has_words(loaded.dev))


def _labels(task: Task, loaded: LoadedData) -> tuple[str, ...] | None:
    return loaded.labels[task.label_field] if task.label_field else None


def _encode(task: Task, loaded: LoadedData, context: TaskContext, accelerator: Accelerator) -> dict[str, Dataset]:
    """Encode every split; one process of each machine encodes first, and the others read what it has kept."""
    with accelerator.local_main_process_first():
        return {split: task.encode(getattr(loaded, split), context) for split in SPLITS}


def _notes(run: Run) -> list[str]:
    """Return what the user should know of how this run trains, beside what the data and the task say."""
    training, notes = run.recipe.training, list[str]()
    if training.layout == "ragged" and not run.context.ragged:
        notes.append("batches are padded: this model reads rows, not ragged streams")
    if run.recipe.adapter or training.freeze:
        notes.append(models.trained_share(run.model))
    return notes


def _shared_folder(recipe: Recipe, accelerator: Accelerator, chosen: Mapping[str, Any], lock: RunLock) -> RunFolder:
    """One new folder for all processes, locked by the main one."""
    paths = [str(RunFolder.create(recipe, chosen, lock).path) if accelerator.is_main_process else ""]
    broadcast_object_list(paths)
    return RunFolder(Path(paths[0]))


def tokenizer_losses(run: Run) -> list[UserError]:
    """Return warnings of inputs that the tokenizer does not know and of targets that it cannot write."""
    features = {split: encoded.features for split, encoded in run.encoded.items()}
    return run.task.tokenizer_losses(run.examples, features, run.context)


def _introduce(run: Run, notes: Sequence[str], warnings: Sequence[UserError]) -> None:
    """Say what is about to happen."""
    sizes = ", ".join(f"{len(run.examples[split]):,} {split}" for split in SPLITS)
    weights = sum(weight.numel() for weight in run.model.parameters())
    say(
        f"{run.recipe.name}: {run.recipe.task.kind.replace('_', ' ')} with {run.recipe.model.description} "
        f"({weights / 1e6:.1f} M weights), examples: {sizes}"
    )
    for note in notes:
        say(f"  {note}")
    say(f"  best checkpoint: by dev {run.best_metric}, {'greater' if run.greater_is_better else 'lower'} is better")
    say(f"  precision: {run.precision}")
    if run.precision.name == "fp32" and run.accelerator.device.type == "cpu":
        say(f"  fp32 products: {run.matmul}")
    say(f"  run folder: {run.folder.path}")
    for warning in warnings:
        warn(str(warning))
