"""Text classification: one class for each text or pair of texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from datasets import Dataset
from torch import Tensor
from transformers import BatchEncoding, PreTrainedModel

from finetune import metrics
from finetune.data import Field
from finetune.data.features import Features
from finetune.errors import UserError
from finetune.recipe import Recipe, TextClassification
from finetune.tasks.base import IGNORED, Batch, Prediction, Record, Task, Tools, references
from finetune.tasks.mask_columns import data_fields, lay_out_columns, token_columns
from finetune.tasks.tensors import cross_entropy, example_losses, input_columns, lay_out_inputs, numbers


class TextClassificationTask(Task):
    """The class is predicted from the pooled output (BERT) or the end-of-sequence state (T5)."""

    head = "text_classification"
    label_field = "label"
    reference_field = "label"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.config = cast(TextClassification, recipe.task)

    @property
    def fields(self) -> tuple[Field, ...]:
        columns = self.recipe.data.columns
        pair = () if columns.text_pair is None else (Field("text_pair", "text", columns.text_pair),)
        masks = data_fields(self.program, by_word=False)
        return (Field("text", "text", columns.text), *pair, Field("label", "label", columns.label), *masks)

    def metric_names(self, tools: Tools) -> tuple[str, ...]:
        return ("accuracy", "precision_recall_f1")

    def best_metric(self, tools: Tools) -> str:
        return "accuracy"

    @property
    def lengths(self) -> Mapping[str, int]:
        return {"task.max_length": self.config.max_length}

    def texts(self, split: Dataset) -> Iterator[str]:
        for column in split.column_names:
            if column.startswith("text"):
                yield from split[column]

    def encode_batch(self, batch: Mapping[str, list[Any]], indices: list[int], tools: Tools) -> dict[str, list[Any]]:
        label_ids = {label: index for index, label in enumerate(tools.labels or ())}
        texts, pairs, labels = batch["text"], batch.get("text_pair"), batch.get("label")
        encoding = tools.tokenizer(texts, pairs, truncation=True, max_length=self.config.max_length)
        self._check_ends(encoding, batch["id"], tools, is_pair=pairs is not None)
        return {
            **input_columns(encoding, tools.tokenizer),
            **token_columns(self.program, encoding, range(len(indices)), batch),
            "label_ids": [IGNORED] * len(indices) if labels is None else [label_ids[label] for label in labels],
            "example": indices,
            "targets": [int(labels is not None)] * len(indices),
        }

    def encoding_settings(self, tools: Tools) -> tuple[Any, ...]:
        needs = self.program.needs
        return (self.config, needs.columns, needs.values, tools.labels, tools.config.is_encoder_decoder)

    def _check_ends(self, encoding: BatchEncoding, ids: Sequence[int], tools: Tools, *, is_pair: bool) -> None:
        """T5's classifier reads the state at the last end-of-sequence token and wants as many of them in each input.

        Raises:
            UserError: A text has the token's name in it, which the tokenizer takes for the token.
        """
        end = tools.tokenizer.eos_token_id
        if not tools.config.is_encoder_decoder or end is None:
            return
        usual = tools.tokenizer("a", "a" if is_pair else None)["input_ids"].count(end)
        odd = [example for example, row in zip(ids, encoding["input_ids"], strict=True) if row.count(end) > usual]
        if odd:
            raise UserError(
                f"a text holds {tools.tokenizer.eos_token!r}, which the tokenizer takes for the end of the text",
                where=f"example {odd[0]} of its split (counted from 0), of {len(odd):,} such examples",
                fix="remove it from the text",
            )

    def collate(self, features: Features, tools: Tools) -> Batch:
        return Batch(
            inputs=lay_out_inputs(features, tools),
            mask_features=lay_out_columns(features, ragged=tools.ragged),
            label_ids=torch.from_numpy(features.columns["label_ids"].values),
            features=numbers(features, "feature"),
            examples=numbers(features, "example"),
        )

    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        return cross_entropy(model(**batch.source).logits, batch.label_ids, label_smoothing=label_smoothing)

    def predict(
        self, model: PreTrainedModel, batch: Batch, tools: Tools, *, final: bool, scores: bool = False
    ) -> list[Prediction]:
        logits = model(**batch.source).logits.float()  # [batch, classes]
        probabilities = logits.softmax(dim=-1).tolist()
        losses = example_losses(logits, batch.label_ids)
        return [
            Prediction(feature, example, loss, int(label != IGNORED), row)
            for feature, example, loss, label, row in zip(
                batch.features, batch.examples, losses, batch.label_ids.tolist(), probabilities, strict=True
            )
        ]

    def records(self, split: Dataset, predictions: Sequence[Prediction], tools: Tools) -> list[Record]:
        labels = tools.labels or ()
        texts = zip(*(split[name] for name in split.column_names if name.startswith("text")), strict=True)
        rows = zip(split["id"], texts, references(split, "label"), predictions, strict=True)
        return [
            Record(
                id=id_,
                input=text[0] if len(text) == 1 else list(text),
                reference=label,
                prediction=labels[max(range(len(labels)), key=prediction.output.__getitem__)],
                extra={"probabilities": dict(zip(labels, prediction.output, strict=True))},
            )
            for id_, text, label, prediction in rows
        ]

    def score(self, records: Sequence[Record], tools: Tools) -> metrics.Scores:
        predictions = [record.prediction for record in records]
        return self.compute({}, (predictions, [record.reference for record in records]), tools)
