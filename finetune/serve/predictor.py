"""Predict examples with a trained model."""

from collections.abc import Sequence
from contextlib import closing
from itertools import chain
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from datasets import Dataset
from transformers import PreTrainedModel

from finetune.data import Field
from finetune.data.batches import BatchLimits, Indices, shards
from finetune.data.features import Features
from finetune.data.files.bad_rows import BadRow
from finetune.errors import UserError
from finetune.hardware.cpu_tuning import tuned
from finetune.hardware.matmul import Matmul
from finetune.hardware.precision import Precision
from finetune.hardware.prefetch import pinned, prefetch
from finetune.serve.examples import Example
from finetune.serve.predictions import FormattedPrediction, PredictionFormatter
from finetune.tasks import Batch, Prediction, Task, TaskContext


class Predictor:
    """A trained model with everything that is needed to predict examples.

    Args:
        task: The task that the model was trained for.
        context: The context of the task: tokenizer, configuration, labels.
        model: The model, in evaluation mode, on the accelerator's device.
        accelerator: The accelerator, which has the device and the context of automatic mixed precision.
        precision: The precision of the computation, and why it was chosen.
        matmul: The library that computes fp32 matrix products, and why it was chosen.
        scores: Whether predictions have probabilities or other scores.
    """

    def __init__(
        self,
        task: Task,
        context: TaskContext,
        model: PreTrainedModel,
        accelerator: Accelerator,
        precision: Precision,
        matmul: Matmul,
        *,
        scores: bool = False,
    ) -> None:
        self.task = task
        self.context = context
        self.model = model
        self.accelerator = accelerator
        self.precision = precision
        self.matmul = matmul
        self.scores = scores
        self.answers = PredictionFormatter(task, context, scores=scores)
        self.num_cut = 0
        """How many inputs were cut at the longest length allowed so far."""

    @property
    def fields(self) -> tuple[Field, ...]:
        """What the task reads of each row."""
        return self.task.input_fields

    @property
    def description(self) -> str:
        """One line with the task, the number of weights, the device and the precision."""
        weights = sum(weight.numel() for weight in self.model.parameters())
        kind = self.task.recipe.task.kind.replace("_", " ")
        return f"{kind}, {weights / 1e6:.1f} M weights, on {self.accelerator.device.type} in {self.precision}"

    def predict(self, examples: Sequence[Example]) -> list[FormattedPrediction | BadRow]:
        """Return the prediction of each example, in the order of the examples, or a bad row if it has none.

        Predictions do not depend on which examples are given together, apart from rounding.

        Args:
            examples: The examples, as `read_example` returns them.
        """
        good = list(range(len(examples)))
        refused: dict[int, FormattedPrediction | BadRow] = {}
        try:
            answers = self._answers(examples)
        except UserError:  # mostly because of a single example
            refused = self._refused(examples, good)
            good = [number for number in good if number not in refused]
            answers = self._answers([examples[number] for number in good])
        return [one for _, one in sorted({**refused, **dict(zip(good, answers, strict=True))}.items())]

    def _answers(self, examples: Sequence[Example]) -> list[FormattedPrediction]:
        if not examples:
            return []
        split = _dataset(examples)
        encoded = self.task.encode_some(split, self.context)
        predictions = sorted(self._predictions(Features.of(encoded)), key=lambda prediction: prediction.feature)
        if "cut" in encoded.column_names:
            self.num_cut += sum(encoded["cut"])
        return [self.answers.of(record) for record in self.task.records(split, predictions, self.context)]

    def _predictions(self, features: Features) -> list[Prediction]:
        """Return the predictions of all features, which are computed in batches, the longest features first."""
        evaluation, device = self.task.recipe.evaluation, self.accelerator.device
        lengths: Indices = features.columns["length"].values.astype(np.int64)
        batches = shards(lengths, BatchLimits(evaluation.batch_size, evaluation.tokens_per_batch), 1, 0)

        def collate(indices: Indices) -> Batch:
            batch = self.task.collate(features.take(indices), self.context)
            return pinned(batch) if device.type == "cuda" else batch

        ahead = self.task.recipe.training.prefetch
        with (
            tuned(self.matmul, enabled=self.task.recipe.training.cpu_tuning),
            torch.inference_mode(),
            self.accelerator.autocast(),
            closing(prefetch(collate, batches, ahead=ahead)) as collated,
        ):
            predict, options = self.task.predict, {"final": True, "scores": self.scores}
            predicted = (predict(self.model, batch.to(device), self.context, **options) for batch in collated)
            return list(chain.from_iterable(predicted))

    def _refused(self, examples: Sequence[Example], numbers: Sequence[int]) -> dict[int, FormattedPrediction | BadRow]:
        """Return the examples that cannot be encoded, by index, and why.

        They are found by bisection, since there are few of them.

        Args:
            examples: All examples.
            numbers: Indices of the examples that are searched.
        """
        if not numbers:
            return {}
        try:
            self.task.encode_some(_dataset([examples[number] for number in numbers]), self.context)
        except UserError as error:
            if len(numbers) == 1:
                return {numbers[0]: BadRow(error.problem)}
            middle = len(numbers) // 2
            return {**self._refused(examples, numbers[:middle]), **self._refused(examples, numbers[middle:])}
        return {}


def _dataset(examples: Sequence[Example]) -> Dataset:
    columns: dict[str, list[Any]] = {name: [example[name] for example in examples] for name in examples[0]}
    return Dataset.from_dict({"id": list(range(len(examples))), **columns})
