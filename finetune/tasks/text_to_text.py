"""Text to text: a text from a text, by an encoder-decoder."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from finetune import metrics, models
from finetune.attention import pretrained
from finetune.data import Field
from finetune.data.encoding import encode
from finetune.data.features import Column, Features
from finetune.generation import generate
from finetune.recipe import Recipe, TextToText
from finetune.tasks.base import IGNORED, Batch, Prediction, Record, Task, Tools
from finetune.tasks.mask_columns import data_fields, lay_out_columns, token_columns
from finetune.tasks.tensors import (
    cross_entropy,
    example_losses,
    example_rows,
    input_columns,
    lay_out,
    lay_out_inputs,
    layout_of,
    numbers,
    valid_rows,
)


class TextToTextTask(Task):
    """Trained with the right words before each word (teacher forcing), scored on what beam search generates."""

    head = "text_to_text"

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.config = cast(TextToText, recipe.task)

    @property
    def fields(self) -> tuple[Field, ...]:
        columns = self.recipe.data.columns
        return (
            Field("source", "text", columns.source or "source"),
            Field("target", "text", columns.target or "target"),
            *data_fields(self.program, by_word=False),
        )

    @property
    def prefix(self) -> str:
        """What is put before every input."""
        return self.config.prefix

    def metric_names(self, tools: Tools) -> tuple[str, ...]:
        return ("sacrebleu", "chrf", "token_accuracy")

    def best_metric(self, tools: Tools) -> str:
        return "bleu"

    @property
    def lengths(self) -> Mapping[str, int]:
        return {
            "task.max_source_length": self.config.max_source_length,
            "task.max_target_length": self.config.max_target_length,
        }

    def texts(self, split: Dataset) -> Iterator[str]:
        if self.prefix:
            yield self.prefix
        yield from split["source"]
        yield from split["target"]

    def encode(self, split: Dataset, tools: Tools) -> Dataset:
        start = decoder_start(tools)

        def encode_batch(batch: Mapping[str, list[Any]], indices: list[int]) -> dict[str, list[Any]]:
            sources = [self.prefix + source for source in batch["source"]]
            encoding = tools.tokenizer(sources, truncation=True, max_length=self.config.max_source_length)
            targets = tools.tokenizer(
                text_target=batch["target"], truncation=True, max_length=self.config.max_target_length
            )
            # BERT's tokenizer opens with [CLS], which the decoder is given as its start and must not learn to say.
            label_ids = [ids[1:] if ids[0] == start else ids for ids in targets["input_ids"]]
            columns = input_columns(encoding, tools.tokenizer)
            cut = zip(columns["cut"], input_columns(targets, tools.tokenizer)["cut"], strict=True)
            columns |= token_columns(self.program, encoding, range(len(indices)), batch)
            return columns | {
                "label_ids": label_ids,
                "feature": indices,
                "example": indices,
                "targets": [len(ids) for ids in label_ids],
                "length": [length + len(ids) for length, ids in zip(columns["length"], label_ids, strict=True)],
                "cut": [source or target for source, target in cut],
            }

        settings = (self.config, self.program.needs.columns, self.program.needs.values, self.prefix, start)
        return encode(split, encode_batch, tools.tokenizer, *settings)

    def collate(self, features: Features, tools: Tools) -> Batch:
        labels = features.columns["label_ids"]
        shifted = _after_start(labels, decoder_start(tools))
        inputs = lay_out_inputs(features, tools)
        inputs["decoder_input_ids"] = lay_out(shifted, tools.tokenizer.pad_token_id, ragged=tools.ragged)
        if tools.ragged:
            inputs["decoder_layout"] = layout_of(labels)
        elif not (self.program.is_standard_at("decoder") and self.program.is_standard_at("cross")):
            # Causal masks never see the padding, which is on the right; others may.
            inputs["decoder_attention_mask"] = valid_rows(labels).long()
        return Batch(
            inputs=inputs,
            mask_features=lay_out_columns(features, ragged=tools.ragged),
            label_ids=lay_out(labels, IGNORED, ragged=tools.ragged),
            features=numbers(features, "feature"),
            examples=numbers(features, "example"),
        )

    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        logits = model(**batch.source, use_cache=False).logits  # [batch, length, vocabulary] or [1, tokens, ...]
        return cross_entropy(logits, batch.label_ids, label_smoothing=label_smoothing)

    def predict(self, model: PreTrainedModel, batch: Batch, tools: Tools, *, final: bool) -> list[Prediction]:
        of_decoder = {name: given for name, given in batch.inputs.items() if name.startswith("decoder_")}
        of_encoder = {name: given for name, given in batch.source.items() if name not in of_decoder}
        encoded = model.get_encoder()(**of_encoder)
        # peft counts the examples of a prefix by them.
        of_place = ("attention_mask", "layout", *(("input_ids",) if models.learns_prefix(model) else ()))
        place: dict[str, Any] = {name: of_encoder[name] for name in of_place if name in of_encoder}
        logits = model(encoder_outputs=encoded, **place, **of_decoder, use_cache=False).logits
        losses = example_losses(logits, batch.label_ids, batch.target_layout)
        guessed = example_rows(logits.argmax(dim=-1), batch.target_layout)
        texts = self._generate(model, encoded, place, tools, final=final)
        predictions = []
        for row, labels in enumerate(example_rows(batch.label_ids, batch.target_layout)):
            length = sum(label != IGNORED for label in labels)
            output = {"text": texts[row].strip(), "guessed": guessed[row][:length], "labels": labels[:length]}
            predictions.append(Prediction(batch.features[row], batch.examples[row], losses[row], length, output))
        return predictions

    def _generate(
        self, model: PreTrainedModel, encoded: ModelOutput, place: Mapping[str, Any], tools: Tools, *, final: bool
    ) -> list[str]:
        if "layout" in place:
            encoded, attention_mask = pretrained.to_rows(encoded, place["layout"])
        else:
            attention_mask = place["attention_mask"]
        generated = generate(
            model,
            encoded,
            attention_mask,
            num_beams=self.config.num_beams if final else self.config.dev_num_beams,
            max_new_tokens=self.config.max_target_length,
            length_penalty=self.config.length_penalty,
            **{name: place[name] for name in ("input_ids",) if name in place},
        )
        texts: list[str] = tools.tokenizer.batch_decode(generated, skip_special_tokens=True)
        return texts

    def records(self, split: Dataset, predictions: Sequence[Prediction], tools: Tools) -> list[Record]:
        return [
            Record(
                id=row["id"],
                input=row["source"],
                reference=row["target"],
                prediction=prediction.output["text"],
                hidden={"guessed": prediction.output["guessed"], "labels": prediction.output["labels"]},
            )
            for row, prediction in zip(split, predictions, strict=True)
        ]

    def score(self, records: Sequence[Record], tools: Tools) -> metrics.Scores:
        texts = [record.prediction for record in records], [record.reference for record in records]
        forced = [record.hidden["guessed"] for record in records], [record.hidden["labels"] for record in records]
        return self.compute({"token_accuracy": forced}, texts, tools)


def decoder_start(tools: Tools) -> int:
    """Id of the token that every output starts after."""
    start: int = tools.config.decoder_start_token_id
    return start


def _after_start(labels: Column, start: int) -> Column:
    """What the decoder reads to say the labels: each example's one place later, after the start token."""
    assert labels.offsets is not None
    values = np.roll(labels.values, 1)
    values[labels.offsets[:-1]] = start
    return Column(values, labels.offsets)
