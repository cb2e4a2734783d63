"""`Task`: the interface between a task and the training loop."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.data import Field, LoadedData
from finetune.data.encoding import encode
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.tasks.batch import Batch
from finetune.tasks.context import TaskContext
from finetune.tasks.predictions import EvaluationRecord, Prediction
from finetune.tasks.scoring import TaskScoring
from finetune.tasks.tokenizer_losses import unknown_inputs

Tokenize = Callable[[Mapping[str, Any]], list[list[int]]]
"""A function from the columns of a batch of examples to the token ids of each example."""


class Task(TaskScoring):
    """A task, which is configured by the recipe and has no state of its own.

    Its methods are called in this order: `fields` (to read the data), `prepare`, `texts` (to train a tokenizer from
    scratch), `encode`, then for each batch `collate` and `loss` or `predict`, and at the end `records` and `score`.
    """

    reads_words: ClassVar[bool] = False
    """Whether inputs are lists of words, which the tokenizer must keep apart (is_split_into_words)."""
    reads_pairs: ClassVar[bool] = False
    """Whether an input can be a pair of texts."""
    cuts_inputs: ClassVar[bool] = True
    """Whether inputs longer than the longest length allowed are cut; False for a task that reads them in windows."""
    pipeline_options: ClassVar[Mapping[str, str]] = {}
    """Keyword arguments of the transformers pipeline that the model card shows."""
    label_field: ClassVar[str | None] = None
    """The name of the field whose values are the classes; None where there are no classes."""
    reference_field: ClassVar[str]
    """The name of the field that predictions are compared with. It is absent from examples without references."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.program = recipe.attention.program

    @property
    def head(self) -> str:
        """The name of the head that `finetune.models.load_model` puts on top of the pretrained model."""
        return self.recipe.task.head.name

    @property
    def writes_text(self) -> bool:
        """Whether the model generates text, in place of choosing among labels."""
        return self.recipe.task.head.writes_text

    @property
    @abstractmethod
    def fields(self) -> tuple[Field, ...]:
        """The fields that the task reads of each example."""

    @property
    def input_fields(self) -> tuple[Field, ...]:
        """The fields that a prediction needs: all but the reference."""
        return tuple(field for field in self.fields if field.name != self.reference_field)

    def prepare(self, loaded: LoadedData) -> LoadedData:
        """Return the data in the form in which the task encodes them. It is called once, before `encode`."""
        return loaded

    def problem_type(self, loaded: LoadedData) -> str | None:
        """Return the `problem_type` of transformers for a text classifier; None for other tasks."""
        return None

    def weighted(self, train: Features, context: TaskContext) -> TaskContext:
        """Return the context with the class weights of the recipe.

        Args:
            train: The encoded train split, in which classes are counted.
            context: The context without weights.

        Raises:
            UserError: The task has no classes, or a weight is given for a class that does not exist.
        """
        if self.recipe.training.class_weights is not None:
            raise UserError(
                "only classes can be weighted",
                where="training.class_weights",
                expected="text or token classification",
                found=self.recipe.task.kind,
                fix="training.class_weights=null",
            )
        return context

    @property
    @abstractmethod
    def lengths(self) -> Mapping[str, int]:
        """The longest inputs, and outputs where the task has them, in tokens, by the recipe key that sets them."""

    @property
    def length_note(self) -> str:
        """A sentence of the model card on the longest inputs."""
        return f"It was trained on at most {next(iter(self.lengths.values()))} tokens at a time."

    def uncut(self, tokenizer: PreTrainedTokenizerBase) -> tuple[Tokenize, ...]:
        """Return a function for each of `lengths`, in their order, that tokenizes examples without cutting them.

        `finetune check` measures lengths by these functions; a length without a function is not measured.

        Args:
            tokenizer: The model's tokenizer.
        """
        return ()

    def check_baselines(self, context: TaskContext) -> None:
        """Make sure that there are simple baselines for the task.

        Raises:
            UserError: There are none.
        """
        raise UserError(
            "there are no baselines for this task",
            where="evaluation.baselines",
            expected="text_classification with one class a text",
            found=self.recipe.task.kind,
            fix="evaluation.baselines=false",
        )

    @abstractmethod
    def texts(self, split: Dataset) -> Iterator[str]:
        """Yield the texts of a split that a tokenizer from scratch is trained on."""

    def encode(self, split: Dataset, context: TaskContext) -> Dataset:
        """Return the features of a split, or read them from the cache where the same split was encoded before.

        Returns:
            A data set with the columns of `encode_batch` and `feature`, the number of each feature.
        """
        encode_batch = partial(self.encode_batch, context=context)
        return numbered(encode(split, encode_batch, context.tokenizer, *self.encoding_settings(context)))

    def encode_some(self, examples: Dataset, context: TaskContext) -> Dataset:
        """Return the features of a few examples, with or without references. They are not cached."""
        columns = {name: examples[name][:] for name in examples.column_names}
        return numbered(Dataset.from_dict(self.encode_batch(columns, list(range(len(examples))), context)))

    @abstractmethod
    def encode_batch(
        self, batch: Mapping[str, list[Any]], indices: list[int], context: TaskContext
    ) -> dict[str, list[Any]]:
        """Return the columns of the features of some examples.

        Args:
            batch: The columns of the examples. The column of the references may be absent.
            indices: The index of each example in its split.
            context: The context, which has the tokenizer and the labels.

        Returns:
            The columns, one value for each feature: those of the tokenizer, such as `input_ids`; `label_ids`;
            `example`, the index of the feature's example; `length`, its number of tokens, of input and target;
            `targets`, the number of its label ids that are not IGNORE_INDEX. Without references all label ids are
            IGNORE_INDEX, or the column is absent.

        Raises:
            UserError: An example cannot be encoded.
        """

    @abstractmethod
    def encoding_settings(self, context: TaskContext) -> tuple[Any, ...]:
        """Return everything that features depend on beside the examples and the tokenizer; it identifies the cache."""

    @abstractmethod
    def collate(self, features: Features, context: TaskContext) -> Batch:
        """Return features as one batch, ragged or padded as the context says."""

    @abstractmethod
    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        """Return the loss of a batch.

        Args:
            model: The model.
            batch: The batch, on the model's device.
            label_smoothing: The share of each target's probability that is spread over all classes.

        Returns:
            The sum of the loss over the targets of the batch, a scalar; divided by their number it is the mean.
        """

    @abstractmethod
    def predict(
        self, model: PreTrainedModel, batch: Batch, context: TaskContext, *, final: bool, scores: bool = False
    ) -> list[Prediction]:
        """Return the predictions of a batch.

        Args:
            model: The model, without accelerate's wrapper.
            batch: A batch of examples with or without references, on the model's device.
            context: The context.
            final: Whether to generate with the settings of the test split, such as the number of beams; with those of
                the dev split otherwise.
            scores: Whether predictions hold scores that say how certain the model is, which records then show.

        Returns:
            One prediction for each feature, in the order of the batch.
        """

    @abstractmethod
    def records(
        self, split: Dataset, predictions: Sequence[Prediction], context: TaskContext
    ) -> list[EvaluationRecord]:
        """Return one record for each example.

        Args:
            split: The examples.
            predictions: The predictions of all features of the split, in their order.
            context: The context.

        Returns:
            The records in the order of the examples.
        """

    @property
    def label_separator(self) -> str:
        """The text between several labels of one example in a table."""
        return " "

    @property
    def example_input(self) -> str | dict[str, str]:
        """An example input for the model card: of the pipeline, or of the tokenizer where the model generates text."""
        return self.recipe.task.example

    @property
    def generation_options(self) -> Mapping[str, int | float]:
        """The keyword arguments of `generate` for the test split; empty where the model does not generate text."""
        return {}

    def answer(self, record: EvaluationRecord, context: TaskContext) -> dict[str, Any]:
        """Return the answer that a user is given: `prediction`, and what the task adds to it."""
        return {"prediction": record.prediction}

    def blank_answer(self, context: TaskContext) -> dict[str, None]:
        """Return the answer for an input without a prediction: the names of `answer`, each with None."""
        return {"prediction": None}

    def blank_scores(self, context: TaskContext) -> dict[str, Any]:
        """Return the scores of an answer with None in place of numbers; empty where the task has no scores."""
        return {}

    def tokenizer_losses(
        self, examples: Mapping[str, Dataset], features: Mapping[str, Features], context: TaskContext
    ) -> list[UserError]:
        """Return warnings of inputs with unknown tokens, and of targets that the tokenizer cannot write.

        Args:
            examples: The examples of each split.
            features: The encoded examples of each split.
            context: The context, which has the tokenizer.
        """
        inputs = [field.name for field in self.input_fields if field.kind in ("text", "words")]

        def text_of(split: str, example: int) -> str:
            row = examples[split][example]
            values = [row[name] for name in inputs if name in row]
            return " ".join(value if isinstance(value, str) else " ".join(value) for value in values)

        warning = unknown_inputs(features, context.tokenizer, text_of)
        return [] if warning is None else [warning]

    def notes(self, encoded: Mapping[str, Dataset]) -> list[str]:
        """Return notes for the user on the encoded splits, such as how many inputs were cut."""
        cut = {name: sum(split["cut"]) for name, split in encoded.items() if "cut" in split.column_names}
        return [
            f"{number:,} of {len(encoded[name]):,} {name} inputs are cut at the longest length allowed"
            for name, number in cut.items()
            if number
        ]


def numbered(features: Dataset) -> Dataset:
    """Return features with a column `feature`, which holds the index of each."""
    return features.add_column("feature", np.arange(len(features)))
