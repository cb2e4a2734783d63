"""Text to text: a text from a text, by an encoder-decoder."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel

from finetune import metrics
from finetune.data import Field
from finetune.recipe import Recipe, TextToText
from finetune.tasks.base import IGNORED, Batch, Feature, Prediction, Record, Task, Tools
from finetune.tasks.mask_columns import data_fields, stack_columns, token_columns
from finetune.tasks.tensors import cross_entropy, input_columns, pad_inputs, pad_rows, row_losses


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

        return split.map(encode_batch, batched=True, with_indices=True, remove_columns=split.column_names)

    def collate(self, features: Sequence[Feature], tools: Tools) -> Batch:
        labels = [feature["label_ids"] for feature in features]
        start = decoder_start(tools)
        inputs = pad_inputs(features, tools.tokenizer)
        inputs["decoder_input_ids"] = pad_rows([[start, *row[:-1]] for row in labels], tools.tokenizer.pad_token_id)
        if not (self.program.is_standard_at("decoder") and self.program.is_standard_at("cross")):
            # Causal masks never see the padding, which is on the right; others may.
            inputs["decoder_attention_mask"] = pad_rows([[1] * len(row) for row in labels], 0)
        return Batch(
            inputs=inputs,
            mask_features=stack_columns(features),
            label_ids=pad_rows(labels, IGNORED),
            features=tuple(feature["feature"] for feature in features),
            examples=tuple(feature["example"] for feature in features),
        )

    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        logits = model(**batch.source, use_cache=False).logits  # [batch, length, vocabulary]
        return cross_entropy(logits, batch.label_ids, label_smoothing=label_smoothing)

    def predict(self, model: PreTrainedModel, batch: Batch, tools: Tools, *, final: bool) -> list[Prediction]:
        inputs = batch.source
        decoder_inputs = {name: inputs.pop(name) for name in list(inputs) if name.startswith("decoder_")}
        attention_mask = inputs["attention_mask"]
        encoder_outputs = model.get_encoder()(**inputs)
        logits = model(
            encoder_outputs=encoder_outputs,
            attention_mask=attention_mask,
            **decoder_inputs,
            use_cache=False,
        ).logits  # [batch, length, vocabulary]
        # Last, because generate widens encoder_outputs in place for its beams.
        generated: Tensor = cast("Any", model).generate(
            encoder_outputs=encoder_outputs,
            attention_mask=attention_mask,
            num_beams=self.config.num_beams if final else self.config.dev_num_beams,
            max_new_tokens=self.config.max_target_length,
            length_penalty=self.config.length_penalty,
            do_sample=False,
        )
        texts = tools.tokenizer.batch_decode(generated, skip_special_tokens=True)
        losses = row_losses(logits, batch.label_ids)
        guessed = logits.argmax(dim=-1).tolist()
        predictions = []
        for row, labels in enumerate(batch.label_ids.tolist()):
            length = sum(label != IGNORED for label in labels)
            output = {"text": texts[row].strip(), "guessed": guessed[row][:length], "labels": labels[:length]}
            predictions.append(Prediction(batch.features[row], batch.examples[row], losses[row], length, output))
        return predictions

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
