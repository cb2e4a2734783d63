"""Text classification: one class, several labels or a number for each text or pair of texts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset, List
from torch import Tensor
from transformers import BatchEncoding, PreTrainedModel, PreTrainedTokenizerBase

from finetune.data import Field, LoadedData
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.recipe import Recipe, TextClassification
from finetune.tasks import fields
from finetune.tasks.base import Task, Tokenize
from finetune.tasks.batch import IGNORE_INDEX, Batch
from finetune.tasks.class_weights import of_classes, of_label_sets
from finetune.tasks.context import TaskContext
from finetune.tasks.mask_columns import lay_out_columns, token_columns
from finetune.tasks.predictions import EvaluationRecord, Prediction, references
from finetune.tasks.problem_types import PROBLEM_TYPES, problem_type_of, problem_with
from finetune.tasks.scoring import MetricInputs
from finetune.tasks.special_tokens import refuse_marks
from finetune.tasks.tensors import column_values, input_columns, lay_out_inputs

_FOR_NUMBERS = (
    "task.problem_type=regression predicts them as numbers; for classes, task.problem_type=single_label takes each "
    "number for a name, or a function (data.function) gives names by a threshold"
)
"""The ways for a user whose labels are numbers."""


def _for_classes(key: str, without: str) -> UserError:
    """Return the error for a key that is for classes, where the labels are numbers.

    Args:
        key: The key.
        without: How the key is left out.
    """
    name = key.rpartition(".")[2].replace("_", " ")
    return UserError(
        f"{name} {'are' if name.endswith('s') else 'is'} for classes, and these labels are numbers: regression",
        where=key,
        expected="names of classes in the label column",
        found="numbers, of which some have fractions, or task.problem_type=regression",
        fix=f"{without}, since {_FOR_NUMBERS}",
    )


class TextClassificationTask(Task):
    """Text classification, by BERT's pooled output or T5's hidden state at the end-of-sequence token."""

    reads_pairs = True
    label_field = "label"
    reference_field = "label"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.config = cast(TextClassification, recipe.task)

    @property
    def fields(self) -> tuple[Field, ...]:
        return fields.text_classification(self.recipe)

    def problem_type(self, loaded: LoadedData) -> str:
        kind = loaded.train.features["label"]
        if isinstance(kind, List):
            return PROBLEM_TYPES["multi_label"].name
        return PROBLEM_TYPES["regression" if kind.dtype.startswith("float") else "single_label"].name

    def prepare(self, loaded: LoadedData) -> LoadedData:
        """Name the single output of a regression, and note which problem type the labels were taken for.

        Raises:
            UserError: The labels are numbers, and the recipe has a key that is for classes only.
        """
        problem = self.problem_type(loaded)
        if problem == PROBLEM_TYPES["single_label"].name:
            return loaded
        kinds = {"multi_label": "lists", "regression": "numbers"}
        (kind,) = [kind for short, kind in kinds.items() if PROBLEM_TYPES[short].name == problem]
        note = f"the labels are {kind}: {problem.replace('_', ' ')}"
        if self.config.problem_type == "auto" and kind == "numbers":
            note += f", since some have fractions; {_FOR_NUMBERS}"
        loaded = replace(loaded, notes=(*loaded.notes, note))
        if kind == "lists":
            return loaded
        self._check_keys_of_numbers()
        return replace(loaded, labels={"label": (fields.label_field(self.recipe).column,)})

    def _check_keys_of_numbers(self) -> None:
        """Raise an error where the labels are numbers, and the recipe has a key that is for classes only.

        Raises:
            UserError: There is such a key.
        """
        training, data = self.recipe.training, self.recipe.data
        given = {
            "data.labels": data.labels,
            "training.label_smoothing": training.label_smoothing,
            "training.class_weights": training.class_weights,
        }
        for key, value in given.items():
            if value:
                raise _for_classes(key, f"leave {key} out")

    def metric_names(self, context: TaskContext) -> tuple[str, ...]:
        return problem_type_of(context.config).metric_names

    def best_metric(self, context: TaskContext) -> str:
        return problem_type_of(context.config).best_metric

    @property
    def lengths(self) -> Mapping[str, int]:
        return {"task.max_length": self.config.max_length}

    def uncut(self, tokenizer: PreTrainedTokenizerBase) -> tuple[Tokenize, ...]:
        return (lambda batch: list(tokenizer(batch["text"], batch.get("text_pair"))["input_ids"]),)

    def check_baselines(self, context: TaskContext) -> None:
        problem = problem_type_of(context.config)
        if problem is PROBLEM_TYPES["regression"]:
            raise _for_classes("evaluation.baselines", "evaluation.baselines=false")
        if problem is not PROBLEM_TYPES["single_label"]:
            super().check_baselines(context)

    def texts(self, split: Dataset) -> Iterator[str]:
        for column in split.column_names:
            if column.startswith("text"):
                yield from split[column]

    def encode_batch(
        self, batch: Mapping[str, list[Any]], indices: list[int], context: TaskContext
    ) -> dict[str, list[Any]]:
        texts, pairs, answers = batch["text"], batch.get("text_pair"), batch.get("label")
        encoding = context.tokenizer(texts, pairs, truncation=True, max_length=self.config.max_length)
        self._check_ends(encoding, batch["id"], context, is_pair=pairs is not None)
        read = ("text",) if pairs is None else ("text", "text_pair")
        return {
            **input_columns(encoding, context.tokenizer),
            **token_columns(self.program, encoding, range(len(indices)), batch, read),
            "label_ids": problem_type_of(context.config).label_ids(answers, len(indices), context.labels or ()),
            "example": indices,
            "targets": [int(answers is not None)] * len(indices),
        }

    def encoding_settings(self, context: TaskContext) -> tuple[Any, ...]:
        needs = self.program.needs
        problem = problem_type_of(context.config).name
        return (self.config, needs.columns, needs.values, context.labels, context.config.is_encoder_decoder, problem)

    def _check_ends(self, encoding: BatchEncoding, ids: Sequence[int], context: TaskContext, *, is_pair: bool) -> None:
        """Raise an error where a text contains an end-of-sequence token.

        T5's classifier reads the hidden state at the last end-of-sequence token, and requires that all inputs of a
        batch have the same number of them.

        Raises:
            UserError: A text holds the token's name, which the tokenizer converts to the token.
        """
        end = context.tokenizer.eos_token_id
        if not context.config.is_encoder_decoder or end is None:
            return
        usual = context.tokenizer("a", "a" if is_pair else None)["input_ids"]
        refuse_marks("text", encoding["input_ids"], usual, {end: str(context.tokenizer.eos_token)}, ids)

    def weighted(self, train: Features, context: TaskContext) -> TaskContext:
        asked, labels = self.recipe.training.class_weights, context.labels or ()
        if asked is None:
            return context
        column = train.columns["label_ids"]
        if column.offsets is not None:
            counts = column.values.reshape(len(train), -1).sum(axis=0)
            return replace(context, weights=of_label_sets(asked, labels, counts, len(train)).of)
        counts = np.bincount(column.values.astype(np.int64), minlength=len(labels))
        return replace(context, weights=of_classes(asked, labels, counts).of)

    def collate(self, features: Features, context: TaskContext) -> Batch:
        label_ids = problem_type_of(context.config).tensor(features.columns["label_ids"])
        return Batch(
            inputs=lay_out_inputs(features, context),
            mask_features=lay_out_columns(features, ragged=context.ragged),
            label_ids=label_ids,
            weights=None if context.weights is None else context.weights(label_ids),
            features=column_values(features, "feature"),
            examples=column_values(features, "example"),
        )

    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        logits = model(**batch.source).logits  # [batch, labels]
        losses = problem_with(batch.label_ids).losses(logits, batch.label_ids, label_smoothing)
        weighted = losses if batch.weights is None else losses * batch.weights
        return weighted.sum() if losses.ndim == 1 else weighted.mean(dim=1).sum()

    def predict(
        self, model: PreTrainedModel, batch: Batch, context: TaskContext, *, final: bool, scores: bool = False
    ) -> list[Prediction]:
        problem = problem_type_of(context.config)
        logits = model(**batch.source).logits  # [batch, labels]
        losses = problem.losses(logits, batch.label_ids).view(len(logits), -1).mean(dim=1).tolist()
        outputs = problem.outputs(logits)
        known = (
            ((batch.label_ids != IGNORE_INDEX) & batch.label_ids.isfinite()).view(len(logits), -1).any(dim=1).tolist()
        )
        return [
            Prediction(feature, example, loss, int(is_known), output)
            for feature, example, loss, is_known, output in zip(
                batch.features, batch.examples, losses, known, outputs, strict=True
            )
        ]

    def records(
        self, split: Dataset, predictions: Sequence[Prediction], context: TaskContext
    ) -> list[EvaluationRecord]:
        labels, problem = context.labels or (), problem_type_of(context.config)
        texts = zip(*(split[name] for name in split.column_names if name.startswith("text")), strict=True)
        rows = zip(split["id"], texts, references(split, "label"), predictions, strict=True)
        return [
            EvaluationRecord(
                id=id_,
                input=text[0] if len(text) == 1 else list(text),
                reference=label,
                prediction=problem.answer(prediction.output, labels, self.config.threshold),
                extra=dict(problem.shown(prediction.output, labels)),
            )
            for id_, text, label, prediction in rows
        ]

    @property
    def label_separator(self) -> str:
        return self.config.label_separator

    @property
    def example_input(self) -> str | dict[str, str]:
        text = self.config.example
        return {"text": text, "text_pair": "It works."} if self.recipe.data.columns.text_pair else text

    def blank_scores(self, context: TaskContext) -> dict[str, Any]:
        """Return the probabilities' place; a regression has none."""
        if problem_type_of(context.config) is PROBLEM_TYPES["regression"]:
            return {}
        return {"probabilities": dict.fromkeys(context.labels or ())}

    def example_score(self, record: EvaluationRecord) -> float:
        """Return 1 if the class, or the set of classes, is right; of a number minus its distance to the reference."""
        if isinstance(record.reference, list):
            return float(set(record.prediction) == set(record.reference))
        if isinstance(record.reference, str):
            return float(record.prediction == record.reference)
        return -abs(float(record.prediction) - float(record.reference))

    def metric_inputs(self, records: Sequence[EvaluationRecord], context: TaskContext) -> MetricInputs:
        predictions = [record.prediction for record in records]
        return MetricInputs((predictions, [record.reference for record in records]))
