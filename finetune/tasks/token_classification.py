"""Token classification: the model predicts one label for each word."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any, ClassVar, cast

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune import metrics
from finetune.data import Field, LoadedData
from finetune.data.features import Features
from finetune.data.labels import NO_TARGET
from finetune.recipe import Recipe, TokenClassification
from finetune.tasks import fields
from finetune.tasks.base import Task, Tokenize
from finetune.tasks.batch import IGNORE_INDEX, Batch
from finetune.tasks.class_weights import of_classes
from finetune.tasks.context import TaskContext
from finetune.tasks.entity_labels import read_labels
from finetune.tasks.label_schemes import labelling_of_names
from finetune.tasks.labelling import OUTSIDE, Labelling
from finetune.tasks.mask_columns import lay_out_columns, token_columns
from finetune.tasks.predictions import EvaluationRecord, Prediction, references
from finetune.tasks.scoring import MetricInputs
from finetune.tasks.tensors import (
    column_values,
    cross_entropy,
    example_losses,
    example_rows,
    input_columns,
    lay_out,
    lay_out_inputs,
)
from finetune.tasks.windows import first_pieces


class TokenClassificationTask(Task):
    """Token classification, with the label of a word predicted at its first piece.

    A sentence longer than `max_length` is read in overlapping windows; each word is trained on and scored in exactly
    one of them. A word of which the tokenizer makes no token (a control character, for example) counts as predicted O,
    or as the first label where labels are plain, so that it is scored, too.
    """

    reads_words = True
    cuts_inputs = False  # longer sentences are read in several windows
    pipeline_options: ClassVar[Mapping[str, str]] = {"aggregation_strategy": "simple"}
    label_field = "labels"
    reference_field = "labels"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.config = cast(TokenClassification, recipe.task)

    @property
    def fields(self) -> tuple[Field, ...]:
        return fields.token_classification(self.recipe)

    def metric_names(self, context: TaskContext) -> tuple[str, ...]:
        return ("seqeval", "accuracy") if self.labelling(context) else ("accuracy", "precision_recall_f1")

    def best_metric(self, context: TaskContext) -> str:
        return "f1"

    def prepare(self, loaded: LoadedData) -> LoadedData:
        """Determine the label scheme, and rewrite the labels of entities that are not well-formed in it.

        Raises:
            UserError: Some labels do not belong to the scheme that the recipe names or that most labels follow.
        """
        return read_labels(loaded, self.config.scheme)

    def labelling(self, context: TaskContext) -> Labelling | None:
        """Return the label scheme and the spelling of the model's labels; None where labels are plain."""
        return _labelling(context.labels or (), self.config.scheme)

    @property
    def lengths(self) -> Mapping[str, int]:
        return {"task.max_length": self.config.max_length}

    def uncut(self, tokenizer: PreTrainedTokenizerBase) -> tuple[Tokenize, ...]:
        return (lambda batch: list(tokenizer(batch["tokens"], is_split_into_words=True)["input_ids"]),)

    def texts(self, split: Dataset) -> Iterator[str]:
        return (" ".join(words) for words in split["tokens"])

    def encode_batch(
        self, batch: Mapping[str, list[Any]], indices: list[int], context: TaskContext
    ) -> dict[str, list[Any]]:
        stride = self._stride(context)
        encoding = context.tokenizer(
            batch["tokens"],
            is_split_into_words=True,
            truncation=True,
            max_length=self.config.max_length,
            stride=stride,
            return_overflowing_tokens=True,
        )
        samples = encoding["overflow_to_sample_mapping"]
        words: list[list[int]] = []  # the word whose label is predicted at each position, or IGNORE_INDEX
        for _, rows in groupby(range(len(samples)), key=samples.__getitem__):
            windows = [encoding.word_ids(row) for row in rows]
            for window, given in zip(windows, first_pieces(windows, stride), strict=True):
                at = {position: word for word, position in given.items()}
                words.append([at.get(position, IGNORE_INDEX) for position in range(len(window))])
        columns = input_columns(encoding, context.tokenizer)
        del columns["cut"]
        label_ids = _label_ids(words, samples, batch.get("labels"), context.labels or ())
        return {
            **columns,
            **token_columns(self.program, encoding, samples, batch),
            "words": words,
            "label_ids": label_ids,
            "example": [indices[sample] for sample in samples],
            "targets": [sum(label != IGNORE_INDEX for label in row) for row in label_ids],
        }

    def encoding_settings(self, context: TaskContext) -> tuple[Any, ...]:
        return (self.config, self.program.needs.columns, self.program.needs.values, context.labels)

    def _stride(self, context: TaskContext) -> int:
        """Return how many tokens neighbouring windows share: fewer than a window holds, so that reading advances."""
        capacity = self.config.max_length - context.tokenizer.num_special_tokens_to_add()
        return min(self.config.stride, max(capacity - 1, 0))

    def collate(self, features: Features, context: TaskContext) -> Batch:
        label_ids = lay_out(features.columns["label_ids"], IGNORE_INDEX, ragged=context.ragged)
        return Batch(
            inputs=lay_out_inputs(features, context),
            mask_features=lay_out_columns(features, ragged=context.ragged),
            label_ids=label_ids,
            weights=None if context.weights is None else context.weights(label_ids),
            features=column_values(features, "feature"),
            examples=column_values(features, "example"),
            words=tuple(tuple(row.tolist()) for row in features.columns["words"].rows()),
        )

    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        logits = model(**batch.source).logits  # [batch, length, classes] or [1, tokens, classes]
        return cross_entropy(logits, batch.label_ids, label_smoothing=label_smoothing, weights=batch.weights)

    def weighted(self, train: Features, context: TaskContext) -> TaskContext:
        asked, labels = self.recipe.training.class_weights, context.labels or ()
        if asked is None:
            return context
        values = train.columns["label_ids"].values
        counts = np.bincount(values[values != IGNORE_INDEX].astype(np.int64), minlength=len(labels))
        return replace(context, weights=of_classes(asked, labels, counts).of)

    def predict(
        self, model: PreTrainedModel, batch: Batch, context: TaskContext, *, final: bool, scores: bool = False
    ) -> list[Prediction]:
        logits = model(**batch.source).logits  # [batch, length, classes] or [1, tokens, classes]
        losses = example_losses(logits, batch.label_ids, batch.target_layout)
        labels = _by_word(logits.argmax(dim=-1), batch)
        targets = [
            sum(label != IGNORE_INDEX for label in row) for row in example_rows(batch.label_ids, batch.target_layout)
        ]
        probabilities = _by_word(logits.float().softmax(dim=-1).amax(dim=-1), batch) if scores else [None] * len(labels)
        rows = zip(batch.features, batch.examples, losses, targets, labels, probabilities, strict=True)
        return [Prediction(*row) for row in rows]

    def records(
        self, split: Dataset, predictions: Sequence[Prediction], context: TaskContext
    ) -> list[EvaluationRecord]:
        """Return the records. With scores they show the probability of each word's label, None without tokens."""
        labels = context.labels or ()
        default = labels.index(OUTSIDE) if OUTSIDE in labels else 0
        by_example: list[dict[int, int]] = [{} for _ in range(len(split))]
        scores: list[dict[int, float]] = [{} for _ in range(len(split))]
        for prediction in predictions:
            by_example[prediction.example].update(prediction.output)
            scores[prediction.example].update(prediction.scores or {})
        scored = any(prediction.scores is not None for prediction in predictions)
        rows = zip(split["id"], split["tokens"], references(split, "labels"), by_example, scores, strict=True)
        return [
            EvaluationRecord(
                id=number,
                input=words,
                reference=reference,
                prediction=[labels[by_word.get(word, default)] for word in range(len(words))],
                extra={"probabilities": [score.get(word) for word in range(len(words))]} if scored else {},
            )
            for number, words, reference, by_word, score in rows
        ]

    def answer(self, record: EvaluationRecord, context: TaskContext) -> dict[str, Any]:
        """Return the labels, and the entities that they mark."""
        answer = {"prediction": record.prediction}
        marked = self.labelling(context)
        if marked is not None:
            answer["entities"] = _entities(record.input, record.prediction, marked, record.extra.get("probabilities"))
        return answer

    def blank_answer(self, context: TaskContext) -> dict[str, None]:
        return dict.fromkeys(["prediction"] if self.labelling(context) is None else ["prediction", "entities"])

    def blank_scores(self, context: TaskContext) -> dict[str, Any]:
        return {"probabilities": None}

    def metric_inputs(self, records: Sequence[EvaluationRecord], context: TaskContext) -> MetricInputs:
        """Return the labels, of words for most metrics, and of sentences for metrics of sentences.

        Words without a target are left out. seqeval is given the entities that the labels mark, rewritten in a scheme
        that seqeval reads. All entities of the references count; predicted ones that are not well-formed count unless
        `Labelling.is_strict`.
        """
        pairs = [_targets(record.prediction, record.reference, context.labels or ()) for record in records]
        predictions, references = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        flat = [[label for labels in sentences for label in labels] for sentences in (predictions, references)]
        sentence = [number for number, labels in enumerate(references) for _ in labels]
        by_sentence = {"word_accuracy": (predictions, references), "seqeval": (predictions, references)}
        if marked := self.labelling(context):
            predicted = [marked.scored.write(marked.read_predicted(labels), len(labels)) for labels in predictions]
            expected = [marked.scored.write(marked.read(labels), len(labels)) for labels in references]
            by_sentence["seqeval"] = (predicted, expected)
        return MetricInputs((flat[0], flat[1]), by_sentence, sentence)

    def example_score(self, record: EvaluationRecord) -> float:
        """Return the share of the words whose label is right."""
        pairs = list(zip(record.prediction, record.reference, strict=True))
        return sum(bool(one == other) for one, other in pairs) / max(len(pairs), 1)

    def options_of(self, metric: str, context: TaskContext) -> metrics.MetricOptions:
        options = self.metric_options(context)
        marked = self.labelling(context) if metric == "seqeval" else None
        return (
            replace(options, labels=marked.scored.label_names(marked.types(context.labels or ())))
            if marked
            else options
        )


@cache
def _labelling(labels: tuple[str, ...], scheme: str) -> Labelling | None:
    return labelling_of_names(labels, scheme)


def _entities(
    words: Sequence[str], labels: Sequence[str], labelling: Labelling, probabilities: Sequence[float | None] | None
) -> list[dict[str, Any]]:
    """Return the entities of a sentence: words from `start` up to, not including, `end`; the mean `probability`."""
    found = []
    for kind, start, end in labelling.read_predicted(labels):
        entity = {"type": kind, "start": start, "end": end, "text": " ".join(words[start:end])}
        if probabilities is not None:
            known = [one for one in probabilities[start:end] if one is not None]
            entity["probability"] = sum(known) / len(known) if known else None
        found.append(entity)
    return found


def _label_ids(
    words: Sequence[Sequence[int]], samples: Sequence[int], labels: Sequence[Sequence[str]] | None, names: Sequence[str]
) -> list[list[int]]:
    """Return the label id at each position of each window, IGNORE_INDEX where no word is predicted."""
    if labels is None:
        return [[IGNORE_INDEX] * len(row) for row in words]
    ids = {NO_TARGET: IGNORE_INDEX} | {name: index for index, name in enumerate(names)}
    return [
        [IGNORE_INDEX if word == IGNORE_INDEX else ids[labels[sample][word]] for word in row]
        for sample, row in zip(samples, words, strict=True)
    ]


def _targets(prediction: list[str], reference: list[str], names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return prediction and reference without the words of the sentence that have no target."""
    if NO_TARGET in names or NO_TARGET not in reference:
        return prediction, reference
    words = [word for word, label in enumerate(reference) if label != NO_TARGET]
    return [prediction[word] for word in words], [reference[word] for word in words]


def _by_word(values: Tensor, batch: Batch) -> list[dict[int, Any]]:
    """Return, for each feature, the value of each word that is predicted in it, from [batch, length] or [1, tokens]."""
    return [
        {word: value for word, value in zip(words, row, strict=False) if word != IGNORE_INDEX}
        for words, row in zip(batch.words, example_rows(values, batch.target_layout), strict=True)
    ]
