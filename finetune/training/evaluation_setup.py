"""`EvaluationSetup`: what is needed to compute batches of encoded splits, in training and for scores alone."""

from collections.abc import Generator, Iterable, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import partial

import numpy as np
from accelerate import Accelerator
from datasets import Dataset

from finetune.data.batches import Indices
from finetune.data.features import Features
from finetune.hardware.cpu_tuning import tuned
from finetune.hardware.matmul import Matmul
from finetune.hardware.precision import Precision
from finetune.hardware.prefetch import pinned, prefetch
from finetune.recipe import Recipe
from finetune.tasks import Batch, Task, TaskContext


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
class EvaluationSetup:
    """What is needed to compute batches of encoded splits.

    Args:
        recipe: The recipe.
        accelerator: The accelerator, which has the device and the context of automatic mixed precision.
        precision: The precision of the computation, and why it was chosen.
        matmul: The library that computes fp32 matrix products, and why it was chosen.
        task: The task.
        context: The context of the task, with tokenizer, configuration and labels.
        examples: The examples of each split.
        encoded: The features of each split.
    """

    recipe: Recipe
    accelerator: Accelerator
    precision: Precision
    matmul: Matmul
    task: Task
    context: TaskContext
    examples: Mapping[str, Dataset]
    encoded: Mapping[str, EncodedSplit]

    @property
    def best_metric(self) -> str:
        """Name of the dev score that selects the best checkpoint."""
        return self.recipe.training.best_metric or self.task.best_metric(self.context)

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
