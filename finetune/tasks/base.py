"""What the training loop asks of a task."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, cast

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from finetune import metrics
from finetune.attention.layout import Ragged
from finetune.data import Field, LoadedData
from finetune.data.encoding import encode
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.recipe import Recipe
from finetune.tasks.tokenizer_losses import unknown_inputs

IGNORE_INDEX = -100
"""Label id of a position that has no target (torch's cross-entropy leaves it out)."""

FeatureValues = Mapping[str, Any]
"""One encoded input: token ids and the like by the tokenizer's names; `label_ids`; `feature` and `example`, its and its
example's number; `length`, its input and target tokens; `targets`, its label ids that are not IGNORED. Without a
reference all label ids are IGNORED, or there are none."""


Tokenize = Callable[[Mapping[str, Any]], list[list[int]]]
"""Gives the token ids of a batch of examples."""

Pair = tuple[Sequence[Any], Sequence[Any]]
"""Predictions and references."""


@dataclass(frozen=True)
class TaskContext:
    """What a task needs beside its own configuration once the model is there."""

    tokenizer: PreTrainedTokenizerBase
    config: PreTrainedConfig
    labels: tuple[str, ...] | None = None
    ragged: bool = False
    """Whether batches are streams of tokens; padded rows otherwise."""
    weights: Callable[[Tensor], Tensor] | None = None
    """What targets count in training, from a batch's label ids; all alike where None."""
    has_words: bool = True
    """Whether spaces cut the references into words, which chooses how metrics of texts cut them."""


@dataclass(frozen=True)
class Batch:
    """Features put into tensors.

    Args:
        inputs: The model's keyword arguments: int64 tensors, [batch, length] each with an attention mask, or
            [1, tokens] each with the layout of the stream.
        label_ids: int64, [batch] for one target an input, or for one a position [batch, length] or [1, tokens];
            IGNORED where none. float32 for numbers, [batch], and for several labels an input, [batch, labels].
        features: Index of each row in the split's features.
        examples: Index of each row's example in the split.
        mask_features: What masks read of the source's tokens: name -> int64 [batch, length] or [1, tokens], or [batch]
            for values of examples.
        words: Token classification: for each row and position the word whose label is read there, or IGNORED.
        weights: What targets count in training: float32, as label_ids; all alike where None.
    """

    inputs: dict[str, Any]
    label_ids: Tensor
    features: tuple[int, ...]
    examples: tuple[int, ...]
    mask_features: dict[str, Tensor] = field(default_factory=dict)
    words: tuple[tuple[int, ...], ...] = ()
    weights: Tensor | None = None

    @property
    def source(self) -> dict[str, Any]:
        """The keyword arguments of a model, or of an encoder: inputs, and what its masks read."""
        return self.inputs | ({"mask_features": self.mask_features} if self.mask_features else {})

    @property
    def target_layout(self) -> Ragged | None:
        """Where examples lie in the stream that the targets are of; None for padded rows."""
        layout: Ragged | None = self.inputs.get("decoder_layout", self.inputs.get("layout"))
        return layout

    def to(self, device: torch.device) -> "Batch":
        """The same batch on `device`."""

        def move(inputs: dict[str, Any]) -> dict[str, Any]:
            return {
                name: given.to(device) if isinstance(given, Ragged) else given.to(device, non_blocking=True)
                for name, given in inputs.items()
            }

        label_ids = self.label_ids.to(device, non_blocking=True)
        weights = None if self.weights is None else self.weights.to(device, non_blocking=True)
        return replace(
            self,
            inputs=move(self.inputs),
            mask_features=move(self.mask_features),
            label_ids=label_ids,
            weights=weights,
        )


@dataclass(frozen=True)
class Prediction:
    """What the model says to one feature; plain Python, so that processes can exchange it.

    Args:
        feature: The feature's index in its split.
        example: The example's index in its split.
        loss: Sum of the negative log-likelihood over the feature's targets, in nats.
        num_targets: How many targets that sum has.
        output: What the task makes of the model's output.
        scores: How sure the model is of it, where that was asked for.
    """

    feature: int
    example: int
    loss: float
    num_targets: int
    output: Any
    scores: Any = None


@dataclass(frozen=True)
class EvaluationRecord:
    """One example with its reference, if it has one, and the model's prediction, as predictions.jsonl shows it."""

    id: int
    input: Any
    reference: Any
    prediction: Any
    extra: dict[str, Any] = field(default_factory=dict)
    """Scores of single classes and the like, shown."""
    hidden: dict[str, Any] = field(default_factory=dict)
    """What only metrics need, not shown."""


class Task(ABC):
    """A task: configured by the recipe, without state of its own.

    The order of calls: `fields` (to read the data), `prepare`, `texts` (to train a tokenizer from scratch), `encode`,
    then for each batch `collate` and `loss` or `predict`, and at the end `records` and `score`.
    """

    reads_words: ClassVar[bool] = False
    """Whether inputs are lists of words, of which the tokenizer must keep each apart."""
    reads_pairs: ClassVar[bool] = False
    """Whether an input can have a second text."""
    cuts_inputs: ClassVar[bool] = True
    """Whether what is beyond the longest length allowed is lost; False for a task that reads it in several windows."""
    pipeline_options: ClassVar[Mapping[str, str]] = {}
    """Options of the transformers pipeline that the model card shows."""
    label_field: ClassVar[str | None] = None
    """The field whose values are the classes, if there are classes."""
    reference_field: ClassVar[str]
    """The field that predictions are compared with. Examples that are only predicted lack it."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self.program = recipe.attention.program

    @property
    def head(self) -> str:
        """The name of what `finetune.models.load_model` puts on top of the pretrained model."""
        return self.recipe.task.head.name

    @property
    def writes_text(self) -> bool:
        """Whether the model writes text, in place of choosing among labels."""
        return self.recipe.task.head.writes_text

    @property
    @abstractmethod
    def fields(self) -> tuple[Field, ...]:
        """Columns that the task reads."""

    @property
    def input_fields(self) -> tuple[Field, ...]:
        """Columns that a prediction needs."""
        return tuple(field for field in self.fields if field.name != self.reference_field)

    @abstractmethod
    def metric_names(self, context: TaskContext) -> tuple[str, ...]:
        """Names of the metrics that score the task where the recipe names none."""

    @abstractmethod
    def best_metric(self, context: TaskContext) -> str:
        """The dev value that chooses the best checkpoint where the recipe names none."""

    def prepare(self, loaded: LoadedData) -> LoadedData:
        """The data as the task wants it; called once, before anything is encoded."""
        return loaded

    def problem_type(self, loaded: LoadedData) -> str | None:
        """What a text classifier answers, by transformers' name; None for other tasks."""
        return None

    def weighted(self, train: Features, context: TaskContext) -> TaskContext:
        """The context with the weights of classes that the recipe asks for.

        Raises:
            UserError: There are no classes, or not these.
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
        """Longest inputs and outputs in tokens, by the recipe key that sets them."""

    @property
    def length_note(self) -> str:
        """What the model card says of the longest inputs, a sentence."""
        return f"It was trained on at most {next(iter(self.lengths.values()))} tokens at a time."

    def uncut(self, tokenizer: PreTrainedTokenizerBase) -> tuple[Tokenize, ...]:
        """For each of `lengths` in turn, what gives the token ids of a batch of examples before anything is cut.

        `finetune check` measures by them; a length without one is not measured.
        """
        return ()

    def check_baselines(self, context: TaskContext) -> None:
        """Make sure that the task has simple baselines to compare with.

        Raises:
            UserError: It has none.
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
        """Every text that a tokenizer of the task must be able to write."""

    def encode(self, split: Dataset, context: TaskContext) -> Dataset:
        """Features of a split; each row is a `FeatureValues`. Read back where the same split was encoded before."""
        encode_batch = partial(self.encode_batch, context=context)
        return numbered(encode(split, encode_batch, context.tokenizer, *self.encoding_settings(context)))

    def encode_some(self, examples: Dataset, context: TaskContext) -> Dataset:
        """Features of a few examples that will not be seen again, with or without references."""
        columns = {name: examples[name][:] for name in examples.column_names}
        return numbered(Dataset.from_dict(self.encode_batch(columns, list(range(len(examples))), context)))

    @abstractmethod
    def encode_batch(
        self, batch: Mapping[str, list[Any]], indices: list[int], context: TaskContext
    ) -> dict[str, list[Any]]:
        """Columns of the features of some examples, without their own numbers.

        Args:
            batch: The examples' columns, of which that of the references may be missing.
            indices: The examples' numbers.
            context: The tokenizer and the labels.

        Raises:
            UserError: An example cannot be encoded.
        """

    @abstractmethod
    def encoding_settings(self, context: TaskContext) -> tuple[Any, ...]:
        """All that features depend on beside the examples and the tokenizer."""

    @abstractmethod
    def collate(self, features: Features, context: TaskContext) -> Batch:
        """Put features into one batch, laid out as the context says."""

    @abstractmethod
    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        """Sum of the loss over the batch's targets, a scalar; divide by the number of targets for the mean."""

    @abstractmethod
    def predict(
        self, model: PreTrainedModel, batch: Batch, context: TaskContext, *, final: bool, scores: bool = False
    ) -> list[Prediction]:
        """Predictions of a batch.

        Args:
            model: The model, without accelerate's wrapping.
            batch: Examples, with or without references.
            context: As of `encode`.
            final: Ask for the test split's settings, such as the full beam.
            scores: Ask how sure the model is; records then show it.
        """

    @abstractmethod
    def records(
        self, split: Dataset, predictions: Sequence[Prediction], context: TaskContext
    ) -> list[EvaluationRecord]:
        """One record an example, in the split's order, from the predictions of all features in order."""

    @property
    def label_separator(self) -> str:
        """What parts several labels of one example in a table."""
        return " "

    @property
    def example_input(self) -> str | dict[str, str]:
        """An input of the pipeline, or of the tokenizer of a model that writes text, for the model card."""
        return self.recipe.task.example

    @property
    def generation_options(self) -> Mapping[str, int | float]:
        """Keyword arguments of `generate` by which the test split is scored; nothing where no text is written."""
        return {}

    def answer(self, record: EvaluationRecord, context: TaskContext) -> dict[str, Any]:
        """What a user is told of a prediction: `prediction`, and what the task adds to it."""
        return {"prediction": record.prediction}

    def blank_answer(self, context: TaskContext) -> dict[str, None]:
        """The answer where there is no prediction: every name, and None."""
        return {"prediction": None}

    def blank_scores(self, context: TaskContext) -> dict[str, Any]:
        """What answers say of how sure the model is, with None in the place of numbers; nothing where nothing does."""
        return {}

    @abstractmethod
    def score(self, records: Sequence[EvaluationRecord], context: TaskContext) -> metrics.Scores:
        """Scores of a whole split."""

    def compute(self, special: Mapping[str, Pair], ordinary: Pair, context: TaskContext) -> metrics.Scores:
        """Compute the recipe's metrics, or the task's own.

        Args:
            special: Predictions and references of the metrics that need a form of their own.
            ordinary: Predictions and references of all other metrics.
            context: Tells the labels.
        """
        names = self.recipe.evaluation.metrics or self.metric_names(context)
        pairs = [special.get(name, ordinary) for name in names]
        return metrics.merge_scores(
            metrics.score([name], *pair, options=self.options_of(name, context))
            for name, pair in zip(names, pairs, strict=True)
        )

    def options_of(self, metric: str, context: TaskContext) -> metrics.MetricOptions:
        """What one metric must know, where that differs from what the others must know."""
        return self.metric_options(context)

    def metric_options(self, context: TaskContext) -> metrics.MetricOptions:
        """What metrics must know of the task."""
        return metrics.MetricOptions(context.labels, self.target_language, context.has_words)

    def tokenizer_losses(
        self, examples: Mapping[str, Dataset], features: Mapping[str, Features], context: TaskContext
    ) -> list[UserError]:
        """Return warnings of what the tokenizer loses: inputs with unknown tokens, targets that it cannot write.

        Args:
            examples: The examples of each split.
            features: What they are encoded as.
            context: The tokenizer.
        """
        inputs = [field.name for field in self.input_fields if field.kind in ("text", "words")]

        def text_of(split: str, example: int) -> str:
            row = examples[split][example]
            values = [row[name] for name in inputs if name in row]
            return " ".join(value if isinstance(value, str) else " ".join(value) for value in values)

        warning = unknown_inputs(features, context.tokenizer, text_of)
        return [] if warning is None else [warning]

    @property
    def target_language(self) -> str | None:
        """Language of the predictions, where it matters to the metrics."""
        return None

    def has_words(self, split: Dataset) -> bool:
        """Whether spaces cut a split's references into words; True of what is no text."""
        return True

    def metric_notes(self, context: TaskContext) -> list[str]:
        """What a user should know of how the metrics are computed."""
        return []

    def notes(self, encoded: Mapping[str, Dataset]) -> list[str]:
        """What a user should know of the encoded splits, such as how many inputs were cut."""
        cut = {name: sum(split["cut"]) for name, split in encoded.items() if "cut" in split.column_names}
        return [
            f"{number:,} of {len(encoded[name]):,} {name} inputs are cut at the longest length allowed"
            for name, number in cut.items()
            if number
        ]


def numbered(features: Dataset) -> Dataset:
    """Features with their numbers."""
    return features.add_column("feature", np.arange(len(features)))


def references(split: Dataset, name: str) -> Sequence[Any]:
    """The references of a split by the name of their column, or as many None."""
    return cast(Sequence[Any], split[name]) if name in split.column_names else [None] * len(split)
