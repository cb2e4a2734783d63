"""Everything a run needs, loaded and encoded: from a recipe to a `Run`."""

import os
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import psutil
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune import metrics, models, tasks
from finetune.attention import Program, pretrained
from finetune.data import load_data
from finetune.data.batches import BatchPlan, Indices
from finetune.data.features import Features
from finetune.errors import UserError, nearest
from finetune.recipe import Recipe
from finetune.tasks import Batch, Task, TaskContext
from finetune.training.allocator import keep_memory
from finetune.training.matmul import DEFAULT, Matmul, choose_matmul
from finetune.training.precision import Precision, choose_precision
from finetune.training.prefetch import pinned, prefetch
from finetune.training.progress import console, say
from finetune.training.resume import resumed
from finetune.training.run_folder import RunFolder
from finetune.training.selection import check_best_metric, greater_is_better
from finetune.training.state import TrainingState
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
    on_checkpoint: Callable[[Path, TrainingState], None] | None = None
    """Told of each checkpoint once it is whole: its folder, and where training stands; on the main process alone."""

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

    def batches(self, split: str, batches: Iterable[Indices]) -> Generator[Batch]:
        """The features of the given indices, collated ahead, on this process's device; to be closed if not used up."""
        features, device = self.encoded[split].features, self.accelerator.device

        def collate(indices: Indices) -> Batch:
            batch = self.task.collate(features.take(indices), self.context)
            return pinned(batch) if device.type == "cuda" else batch

        with closing(prefetch(collate, batches, ahead=self.recipe.training.prefetch)) as collated:
            for batch in collated:
                yield batch.to(device)


def prepare(recipe: Recipe) -> Run:
    """Load the data, the tokenizer and the model, and encode every split.

    Raises:
        UserError: Something in the recipe or the data is wrong.
    """
    recipe, folder = resumed(recipe)
    precision = choose_precision(recipe.training.precision)
    accelerator = _accelerator(precision)
    if accelerator.device.type == "cpu":
        keep_memory()
    if not (console.is_terminal and accelerator.is_main_process):
        datasets.disable_progress_bars()
    check_trackers(recipe.training.trackers)
    task = tasks.create(recipe)
    with accelerator.main_process_first():
        loaded = task.prepare(load_data(recipe.data, task.fields))
    # Trained by each process where it is from scratch: training a tokenizer gives the same one every time.
    tokenizer = models.load_tokenizer(
        recipe.model, lambda: task.texts(loaded.train), split_words=task.head == "token_classification"
    )
    labels = loaded.labels[task.label_field] if task.label_field else None
    with accelerator.main_process_first():
        problem = task.problem_type(loaded)
        model = models.load_model(
            recipe.model, task.head, tokenizer, labels=labels, seed=recipe.seed, problem_type=problem
        )
        model = models.adapt(model, recipe.adapter, task.head, seed=recipe.seed)
    models.freeze(model, recipe.training.freeze)
    apply_recipe_masks(model, task.program, tokenizer, recipe.attention.kernel)
    ragged = recipe.training.layout == "ragged" and pretrained.reads_streams(model)
    context = TaskContext(tokenizer, model.config, labels, ragged, has_words=task.has_words(loaded.dev))
    _check(recipe, task, context)
    examples = {split: getattr(loaded, split) for split in SPLITS}
    with accelerator.local_main_process_first():  # the others read what it has kept
        features = {split: task.encode(examples[split], context) for split in SPLITS}
    encoded = {split: EncodedSplit.of(features[split]) for split in SPLITS}
    context = task.weighted(encoded["train"].features, context)
    set_seed(recipe.seed, device_specific=True)
    matmul = _shared_matmul(recipe, accelerator, precision, model)
    goes_on = folder is not None
    folder = folder or _shared_folder(recipe, accelerator, {"precision": asdict(precision), "matmul": asdict(matmul)})
    run = Run(recipe, accelerator, precision, matmul, task, context, model, examples, encoded, folder, goes_on)
    _rehearse(run)
    start_trackers(accelerator, recipe, folder.path)
    if accelerator.is_main_process:
        notes = [*loaded.notes, *task.notes(features), *task.metric_notes(context)]
        notes += map(_warning, [*loaded.warnings, *tokenizer_losses(run)])
        if recipe.training.layout == "ragged" and not ragged:
            notes.append("batches are padded: this model reads rows, not ragged streams")
        if recipe.adapter or recipe.training.freeze:
            notes.append(models.trained_share(model))
        _introduce(run, notes)
    return run


def _check(recipe: Recipe, task: Task, context: TaskContext) -> None:
    """Find out now what would otherwise stop the run at its first evaluation.

    Raises:
        UserError: A single class, baselines that the task does not have, inputs longer than the model's, metrics that
            cannot be had, a best_metric that none of them gives or whose direction is not known.
    """
    has_classes = context.config.problem_type == "single_label_classification"
    if recipe.evaluation.baselines and not has_classes:
        raise UserError(
            "there are no baselines for this task",
            where="evaluation.baselines",
            expected="text_classification with one class a text",
            found=recipe.task.kind,
            fix="evaluation.baselines=false",
        )
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
    names = recipe.evaluation.metrics or task.metric_names(context)
    metrics.check_metric(names, options=task.metric_options(context))
    check_best_metric(recipe, task, context)


def _rehearse(run: Run) -> None:
    """Compute one small batch under masks of the recipe's own: some can be refused by the model at work alone.

    Raises:
        UserError: The model cannot compute under the masks, or not generate.
    """
    if run.task.program.is_standard:
        return
    (batch,) = run.batches("dev", [np.arange(min(2, len(run.encoded["dev"].features)))])
    run.model.to(run.accelerator.device)
    try:
        with torch.inference_mode():
            run.task.loss(run.model, batch, 0.0)
            run.task.predict(run.model, batch, run.context, final=False)
    except ValueError as error:
        raise UserError(f"the model cannot work under the recipe's masks: {error}", where="attention") from error


def apply_recipe_masks(
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


def _accelerator(precision: Precision) -> Accelerator:
    accelerator = precision.accelerator()
    launched = "ACCELERATE_MIXED_PRECISION" in os.environ
    alone_on_cpu = accelerator.num_processes == 1 and accelerator.device.type == "cpu"
    if launched and alone_on_cpu and os.environ.get("OMP_NUM_THREADS") == "1":
        # `accelerate launch` gives a single process one thread, whatever the number of cores.
        torch.set_num_threads(_cores())
    return accelerator


def _cores() -> int:
    """Physical cores that this process may use."""
    physical = psutil.cpu_count(logical=False) or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else physical
    return min(physical, allowed)


def _shared_matmul(recipe: Recipe, accelerator: Accelerator, precision: Precision, model: PreTrainedModel) -> Matmul:
    """One choice for all processes, tried by one of them while the others leave it the cores."""
    applies = precision.name == "fp32" and accelerator.device.type == "cpu"
    chosen: list[Matmul] = [DEFAULT]
    if accelerator.is_main_process:
        chosen = [choose_matmul(recipe.training.fp32_matmul, model, computes_fp32_on_cpu=applies)]
    broadcast_object_list(chosen)
    return chosen[0]


def _shared_folder(recipe: Recipe, accelerator: Accelerator, chosen: Mapping[str, Any]) -> RunFolder:
    """One new folder for all processes."""
    paths = [str(RunFolder.create(recipe, chosen).path) if accelerator.is_main_process else ""]
    broadcast_object_list(paths)
    return RunFolder(Path(paths[0]))


def tokenizer_losses(run: Run) -> list[UserError]:
    """Return warnings of inputs that the tokenizer does not know and of targets that it cannot write."""
    features = {split: encoded.features for split, encoded in run.encoded.items()}
    return run.task.tokenizer_losses(run.examples, features, run.context)


def _warning(warning: UserError) -> str:
    """A warning as lines of what is said at the start of a run."""
    return "warning: " + str(warning).replace("\n", "\n  ")


def _introduce(run: Run, notes: list[str]) -> None:
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
