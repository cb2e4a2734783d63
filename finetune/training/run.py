"""Everything a run needs, loaded and encoded: from a recipe to a `Run`."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from datasets import Dataset
from transformers import PreTrainedModel

from finetune import models, tasks
from finetune.allowed_code import require_allowed
from finetune.checkpointing.fingerprint import Fingerprint, take_fingerprint
from finetune.checkpointing.resume import CHOSEN, Start, find_start
from finetune.checkpointing.run_folder import RunFolder
from finetune.checkpointing.run_lock import RunLock
from finetune.checkpointing.state import TrainingState
from finetune.data.batches import BatchPlan, Indices
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.hardware.cpu_tuning import choose_shared_matmul, tuned
from finetune.hardware.matmul import Matmul
from finetune.hardware.precision import Precision, choose_precision
from finetune.hardware.prefetch import pinned, prefetch
from finetune.progress import say, warn
from finetune.recipe import Recipe
from finetune.recipe.changes import Change, Changes
from finetune.tasks import Batch, Task, TaskContext
from finetune.tasks.visibility import View, hidden_text
from finetune.training.callbacks import Callback, check_callbacks, named
from finetune.training.checks import check_run
from finetune.training.header import header
from finetune.training.loading import (
    SPLITS,
    describe_run,
    encode_splits,
    load_model,
    load_splits,
    load_tokenizer,
    start_accelerator,
)
from finetune.training.masks import follow_masks, rehearse
from finetune.training.selection import greater_is_better
from finetune.training.trackers import check_trackers, start_trackers


@dataclass(frozen=True)
class EncodedSplit:
    """The encoded features of a split, and the numbers by which batches are planned.

    Args:
        features: The features.
        lengths: Number of tokens of each feature; int64, [features].
        targets: Number of targets of each feature; int64, [features].
        num_cut: Number of features whose text was cut; None for a task that cuts none.
    """

    features: Features
    lengths: Indices
    targets: Indices
    num_cut: int | None = None

    @classmethod
    def of(cls, encoded: Dataset) -> "EncodedSplit":
        """Read the features of an encoded data set into memory, or map them."""
        features = Features.of(encoded)
        lengths, targets = (features.columns[name].values.astype(np.int64) for name in ("length", "targets"))
        num_cut = sum(encoded["cut"]) if "cut" in encoded.column_names else None
        return cls(features, lengths, targets, num_cut)


@dataclass
class Run:
    """A run that is prepared: data, model and run folder are there, and training can begin."""

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
    """Whether an earlier run in this folder is resumed."""
    changes: Changes = field(default_factory=Changes)
    """What differs from the recipe that the user named."""
    views: tuple[View, ...] = ()
    """What the outputs of the model can depend on in a few train examples; empty with the standard masks."""
    fingerprint: Fingerprint = field(default_factory=dict)
    """Checksums of the data and of the starting model; empty on all processes but the main one."""
    lock: RunLock = field(default_factory=RunLock)
    """The lock of the run folder, which the main process holds; unused on the other processes."""
    on_checkpoint: Callable[[Path, TrainingState], None] | None = None
    """Called on the main process with the folder of each finished checkpoint and the state of the training."""
    callbacks: tuple[Callback, ...] = ()
    """Callbacks of the user that the loop calls."""

    @property
    def best_metric(self) -> str:
        """Name of the dev score that selects the best checkpoint."""
        return self.recipe.training.best_metric or self.task.best_metric(self.context)

    @property
    def greater_is_better(self) -> bool:
        """Whether a greater value of `best_metric` is better."""
        return greater_is_better(self.best_metric, self.recipe.training.greater_is_better)

    @property
    def plan(self) -> BatchPlan:
        """The plan by which each epoch of the train split is divided into batches."""
        training = self.recipe.training
        return BatchPlan(
            self.encoded["train"].lengths,
            training.batch_size,
            training.tokens_per_batch,
            training.group_by_length,
            self.recipe.seed,
        )

    def tuned(self) -> AbstractContextManager[None]:
        """Return a context in which the model is computed with CPU tuning, unless `training.cpu_tuning` is false."""
        return tuned(self.matmul, enabled=self.recipe.training.cpu_tuning)

    def batches(self, split: str, batches: Iterable[Indices]) -> Generator[Batch]:
        """Yield batches of features on this process's device; a thread collates them in advance.

        Args:
            split: `train`, `dev` or `test`.
            batches: Indices of the features of each batch; int64, [examples] each.

        Returns:
            A generator, which the caller closes if it does not use it up.
        """
        collate = partial(self.collate, split)
        with closing(prefetch(collate, batches, ahead=self.recipe.training.prefetch)) as collated:
            for batch in collated:
                yield batch.to(self.accelerator.device)

    def collate(self, split: str, indices: Indices) -> Batch:
        """Return features as one batch in CPU memory, which is pinned where the batch will be copied to a GPU.

        Args:
            split: `train`, `dev` or `test`.
            indices: Indices of the features; int64, [examples].
        """
        batch = self.task.collate(self.encoded[split].features.take(indices), self.context)
        return pinned(batch) if self.accelerator.device.type == "cuda" else batch


def prepare(recipe: Recipe, callbacks: Sequence[Callback] = (), start: Start | None = None) -> Run:
    """Load the data, the tokenizer and the model, and encode every split.

    The run folder is locked from then on, until training fails, `run.lock` is released or the process ends.

    Args:
        recipe: The recipe.
        callbacks: Callbacks of the user that the loop calls.
        start: Where the run starts, as `find_start` returned it; None calls `find_start`.

    Raises:
        UserError: Something in the recipe or the data is wrong, a callback is not an instance of `Callback`, or the run
            that is to be resumed is trained.
    """
    callbacks = check_callbacks(callbacks)
    start = start or find_start(recipe)
    with start.lock.released_on_error():
        if start.folder is not None and start.is_finished:
            raise UserError(
                f"the run {start.folder.path} is trained and evaluated, and has only to be published",
                where="resume",
                fix=f"finetune run resume={start.folder.path}",
            )
        return _prepare(start, callbacks)


def _prepare(start: Start, callbacks: tuple[Callback, ...]) -> Run:
    recipe, folder, lock = start.recipe, start.folder, start.lock
    require_allowed(recipe)
    goes_on = folder is not None
    precision = choose_precision(recipe.training.precision)
    accelerator = start_accelerator(recipe, precision)
    check_trackers(recipe.training.trackers)
    task = tasks.create(recipe)
    loaded = load_splits(recipe, task, accelerator)
    tokenizer = load_tokenizer(recipe, task, loaded)
    model = load_model(recipe, task, loaded, tokenizer, accelerator)
    context = describe_run(recipe, task, loaded, tokenizer, model)
    check_run(recipe, task, context)
    features = encode_splits(task, loaded, context, accelerator)
    encoded = {split: EncodedSplit.of(features[split]) for split in SPLITS}
    context = task.weighted(encoded["train"].features, context)
    set_seed(recipe.seed, device_specific=True)
    matmul = choose_shared_matmul(recipe.training, model, accelerator, precision)
    chosen = {"precision": asdict(precision), "matmul": asdict(matmul)} | named(callbacks)
    changes = folder.changes().then(_later(recipe)) if folder else recipe.changes
    folder = folder or _shared_folder(recipe, accelerator, chosen | {"changed": changes.to_json()}, lock)
    examples = {split: getattr(loaded, split) for split in SPLITS}
    run = Run(recipe, accelerator, precision, matmul, task, context, model, examples, encoded, folder, goes_on)
    run.callbacks, run.lock, run.changes = callbacks, lock, changes
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


def _later(recipe: Recipe) -> list[Change]:
    """Return the changes of a run that is resumed, without the values that it has chosen for its machine."""
    return [change for change in recipe.changes.listed if change.key not in CHOSEN]


def _notes(run: Run) -> list[str]:
    """Return notes on how this run trains."""
    training, notes = run.recipe.training, list[str]()
    if training.layout == "ragged" and not run.context.ragged:
        notes.append("batches are padded: this model reads rows, not ragged streams")
    if run.recipe.adapter or training.freeze:
        notes.append(models.trained_share(run.model))
    return notes


def _shared_folder(recipe: Recipe, accelerator: Accelerator, chosen: Mapping[str, Any], lock: RunLock) -> RunFolder:
    """Create one run folder for all processes; the main process locks it."""
    paths = [str(RunFolder.create(recipe, chosen, lock).path) if accelerator.is_main_process else ""]
    broadcast_object_list(paths)
    return RunFolder(Path(paths[0]))


def tokenizer_losses(run: Run) -> list[UserError]:
    """Return warnings of input characters that the tokenizer does not know, and of targets that it cannot produce."""
    features = {split: encoded.features for split, encoded in run.encoded.items()}
    return run.task.tokenizer_losses(run.examples, features, run.context)


def _introduce(run: Run, notes: Sequence[str], warnings: Sequence[UserError]) -> None:
    """Show what the run consists of: data, model, masks, changes, precision, folder, notes and warnings."""
    sizes = {split: len(run.examples[split]) for split in SPLITS}
    weights = sum(weight.numel() for weight in run.model.parameters())
    for line in header(run.recipe, sizes, weights, run.changes):
        say(line)
    for note in notes:
        say(f"  {note}")
    say(f"  best checkpoint: by dev {run.best_metric}, {'greater' if run.greater_is_better else 'lower'} is better")
    say(f"  precision: {run.precision}")
    if run.precision.name == "fp32" and run.accelerator.device.type == "cpu":
        say(f"  fp32 products: {run.matmul}")
    say(f"  run folder: {run.folder.path}")
    for warning in warnings:
        warn(str(warning))
