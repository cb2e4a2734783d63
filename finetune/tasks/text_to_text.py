"""Text to text: a text from a text, by an encoder-decoder."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput

from finetune import metrics, models
from finetune.attention import pretrained
from finetune.data import Field
from finetune.data.features import Column, Features
from finetune.errors import UserError
from finetune.generation import generate
from finetune.recipe import Recipe, TextToText
from finetune.tasks.base import (
    IGNORE_INDEX,
    Batch,
    EvaluationRecord,
    Prediction,
    Task,
    TaskContext,
    Tokenize,
    references,
)
from finetune.tasks.mask_columns import data_fields, lay_out_columns, token_columns
from finetune.tasks.special_tokens import marks, refuse_marks
from finetune.tasks.tensors import (
    column_values,
    cross_entropy,
    example_losses,
    example_rows,
    input_columns,
    lay_out,
    lay_out_inputs,
    layout_of,
    valid_rows,
)
from finetune.tasks.tokenizer_losses import lost_targets


class TextToTextTask(Task):
    """Trained with the right words before each word (teacher forcing), scored on what beam search generates."""

    reference_field = "target"

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

    def prompt_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """The tokens that every target begins with and that are not learned, after the decoder's start token."""
        if not self.config.target_prompt:
            return []
        ids: list[int] = tokenizer(text_target=self.config.target_prompt, add_special_tokens=False)["input_ids"]
        return ids

    def metric_names(self, context: TaskContext) -> tuple[str, ...]:
        return ("sacrebleu", "chrf", "token_accuracy")

    def best_metric(self, context: TaskContext) -> str:
        return "bleu"

    @property
    def target_language(self) -> str | None:
        return self.config.target

    def has_words(self, split: Dataset) -> bool:
        from finetune.metrics.sacrebleu import has_words

        return has_words(split[self.reference_field][:])

    def metric_notes(self, context: TaskContext) -> list[str]:
        from finetune.metrics.sacrebleu import tokenizer_note

        if "sacrebleu" not in (self.recipe.evaluation.metrics or self.metric_names(context)):
            return []
        note = tokenizer_note(self.metric_options(context))
        return [] if note is None else [note]

    def tokenizer_losses(
        self, examples: Mapping[str, Dataset], features: Mapping[str, Features], context: TaskContext
    ) -> list[UserError]:
        def score(predictions: Sequence[str], references: Sequence[str]) -> Mapping[str, float]:
            used = self.recipe.evaluation.metrics or self.metric_names(context)
            names = [name for name in used if name in ("sacrebleu", "chrf")] or ["chrf"]
            return metrics.score(names, predictions, references, options=self.metric_options(context)).values

        targets = {split: one["target"][:] for split, one in examples.items() if "target" in one.column_names}
        warning = lost_targets(targets, context.tokenizer, score)
        return super().tokenizer_losses(examples, features, context) + ([] if warning is None else [warning])

    @property
    def lengths(self) -> Mapping[str, int]:
        return {
            "task.max_source_length": self.config.max_source_length,
            "task.max_target_length": self.config.max_target_length,
        }

    @property
    def length_note(self) -> str:
        source, target = self.config.max_source_length, self.config.max_target_length
        return f"Inputs are cut after {source} tokens and outputs after {target}, as in training."

    def uncut(self, tokenizer: PreTrainedTokenizerBase) -> tuple[Tokenize, ...]:
        return (
            lambda batch: list(tokenizer([self.prefix + source for source in batch["source"]])["input_ids"]),
            lambda batch: list(tokenizer(text_target=batch["target"])["input_ids"]),
        )

    @property
    def example_input(self) -> str:
        return self.prefix + self.config.example

    @property
    def generation_options(self) -> Mapping[str, int | float]:
        penalty = {} if self.config.length_penalty == 1.0 else {"length_penalty": self.config.length_penalty}
        return {"num_beams": self.config.num_beams, **penalty, "max_new_tokens": self.config.max_target_length}

    def texts(self, split: Dataset) -> Iterator[str]:
        yield from filter(None, (self.prefix, self.config.target_prompt))
        yield from split["source"]
        yield from split["target"]

    def encode_batch(
        self, batch: Mapping[str, list[Any]], indices: list[int], context: TaskContext
    ) -> dict[str, list[Any]]:
        sources = [self.prefix + source for source in batch["source"]]
        encoding = context.tokenizer(sources, truncation=True, max_length=self.config.max_source_length)
        columns = input_columns(encoding, context.tokenizer)
        columns |= token_columns(self.program, encoding, range(len(indices)), batch)
        columns["example"] = indices
        if "target" not in batch:  # what will be written counts as long as what is read
            return columns | {"targets": [0] * len(indices), "length": [2 * length for length in columns["length"]]}
        targets = context.tokenizer(
            text_target=batch["target"], truncation=True, max_length=self.config.max_target_length
        )
        usual = context.tokenizer(text_target="a")["input_ids"]
        refuse_marks("target", targets["input_ids"], usual, marks(context.tokenizer), batch.get("id", indices))
        # BERT's tokenizer opens with [CLS], which the decoder is given as its start and must not learn to say.
        start = decoder_start(context)
        prompt = self.prompt_ids(context.tokenizer)
        label_ids = [prompt + (ids[1:] if ids[0] == start else ids) for ids in targets["input_ids"]]
        cut = zip(columns["cut"], input_columns(targets, context.tokenizer)["cut"], strict=True)
        return columns | {
            "label_ids": label_ids,
            "targets": [len(ids) - len(prompt) for ids in label_ids],
            "length": [length + len(ids) for length, ids in zip(columns["length"], label_ids, strict=True)],
            "cut": [source or target for source, target in cut],
        }

    def encoding_settings(self, context: TaskContext) -> tuple[Any, ...]:
        needs = self.program.needs
        return (self.config, needs.columns, needs.values, self.prefix, decoder_start(context))

    def collate(self, features: Features, context: TaskContext) -> Batch:
        inputs, labels = lay_out_inputs(features, context), features.columns.get("label_ids")
        learned = None if labels is None else _after_prompt(labels, len(self.prompt_ids(context.tokenizer)))
        return Batch(
            inputs=inputs if labels is None else inputs | self._decoder_inputs(labels, context),
            mask_features=lay_out_columns(features, ragged=context.ragged),
            label_ids=torch.empty(0) if learned is None else lay_out(learned, IGNORE_INDEX, ragged=context.ragged),
            features=column_values(features, "feature"),
            examples=column_values(features, "example"),
        )

    def _decoder_inputs(self, labels: Column, context: TaskContext) -> dict[str, Any]:
        shifted = _after_start(labels, decoder_start(context))
        inputs: dict[str, Any] = {
            "decoder_input_ids": lay_out(shifted, context.tokenizer.pad_token_id, ragged=context.ragged)
        }
        if context.ragged:
            inputs["decoder_layout"] = layout_of(labels)
        elif self._shows_padding:
            inputs["decoder_attention_mask"] = valid_rows(labels).long()
        return inputs

    @property
    def _shows_padding(self) -> bool:
        """Whether a mask could show a target its padding, which is on the right and never seen by causal masks."""
        return not (self.program.is_standard_at("decoder") and self.program.is_standard_at("cross"))

    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        logits = model(**batch.source, use_cache=False).logits  # [batch, length, vocabulary] or [1, tokens, ...]
        return cross_entropy(logits, batch.label_ids, label_smoothing=label_smoothing)

    def predict(
        self, model: PreTrainedModel, batch: Batch, context: TaskContext, *, final: bool, scores: bool = False
    ) -> list[Prediction]:
        of_decoder = {name: given for name, given in batch.inputs.items() if name.startswith("decoder_")}
        of_encoder = {name: given for name, given in batch.source.items() if name not in of_decoder}
        encoded = model.get_encoder()(**of_encoder)
        # peft counts the examples of a prefix by them.
        of_place = ("attention_mask", "layout", *(("input_ids",) if models.learns_prefix(model) else ()))
        place: dict[str, Any] = {name: of_encoder[name] for name in of_place if name in of_encoder}
        losses, forced = _forced(model, encoded, place | of_decoder, batch)
        if "layout" in place:
            encoded, attention_mask = pretrained.to_rows(encoded, place["layout"])
            place = {"attention_mask": attention_mask}
        prompt = self.prompt_ids(context.tokenizer)
        begun = torch.tensor([decoder_start(context), *prompt], device=model.device).expand(len(batch.features), -1)
        generated = self._generate(model, encoded, place, begun, final=final)  # [batch, longest], begun with these
        written = generated[:, begun.shape[1] :]
        texts: list[str] = context.tokenizer.batch_decode(written, skip_special_tokens=True)
        sure: list[float | None] = [None] * len(texts)
        if scores:
            sure = self._log_probabilities(model, encoded, place, generated, len(prompt))
        outputs = [{"text": text.strip(), **of_text} for text, of_text in zip(texts, forced, strict=True)]
        targets = [len(of_text.get("labels", ())) for of_text in forced]
        rows = zip(batch.features, batch.examples, losses, targets, outputs, sure, strict=True)
        return [Prediction(*row) for row in rows]

    def _generate(
        self, model: PreTrainedModel, encoded: ModelOutput, place: Mapping[str, Any], begun: Tensor, *, final: bool
    ) -> Tensor:
        # Without a prompt the start token is left to `generate`, which PEFT's prefix tuning needs.
        prompt = {"decoder_input_ids": begun} if begun.shape[1] > 1 else {}
        return generate(
            model,
            encoded,
            num_beams=self.config.num_beams if final else self.config.dev_num_beams,
            max_new_tokens=self.config.max_target_length,
            length_penalty=self.config.length_penalty,
            **prompt,
            **place,
        )

    def _log_probabilities(
        self, model: PreTrainedModel, encoded: ModelOutput, place: Mapping[str, Any], generated: Tensor, prompt: int
    ) -> list[float | None]:
        """Mean log-probability of each generated text's tokens, its end among them, after so many of the prompt."""
        shifted, label_ids = generated[:, :-1], generated[:, 1:]
        valid = _up_to_end(label_ids, model.generation_config)
        of_decoder = {"decoder_input_ids": shifted}
        if self._shows_padding:
            of_decoder["decoder_attention_mask"] = valid.long()
        logits = model(encoder_outputs=encoded, **place, **of_decoder, use_cache=False).logits
        scored = valid & (torch.arange(valid.shape[1], device=valid.device) >= prompt)
        losses = example_losses(logits, label_ids.masked_fill(~scored, IGNORE_INDEX))
        return [-loss / max(count, 1) for loss, count in zip(losses, scored.sum(dim=1).tolist(), strict=True)]

    def records(
        self, split: Dataset, predictions: Sequence[Prediction], context: TaskContext
    ) -> list[EvaluationRecord]:
        """Records show the mean log-probability of the text's tokens, in nats, where scores were asked for."""
        rows = zip(split["id"], split["source"], references(split, "target"), predictions, strict=True)
        return [
            EvaluationRecord(
                id=number,
                input=source,
                reference=target,
                prediction=prediction.output["text"],
                extra={} if prediction.scores is None else {"mean_log_probability": prediction.scores},
                hidden={name: prediction.output[name] for name in ("guessed", "labels") if name in prediction.output},
            )
            for number, source, target, prediction in rows
        ]

    def blank_scores(self, context: TaskContext) -> dict[str, Any]:
        return {"mean_log_probability": None}

    def score(self, records: Sequence[EvaluationRecord], context: TaskContext) -> metrics.Scores:
        texts = [record.prediction for record in records], [record.reference for record in records]
        forced = [record.hidden["guessed"] for record in records], [record.hidden["labels"] for record in records]
        return self.compute({"token_accuracy": forced}, texts, context)


def decoder_start(context: TaskContext) -> int:
    """Id of the token that every output starts after."""
    start: int = context.config.decoder_start_token_id
    return start


def _forced(
    model: PreTrainedModel, encoded: ModelOutput, inputs: Mapping[str, Any], batch: Batch
) -> tuple[list[float], list[dict[str, list[int]]]]:
    """Losses of the targets, the tokens guessed after the right ones, and the right ones; nothing without targets."""
    if "decoder_input_ids" not in inputs:
        return [0.0] * len(batch.features), [{} for _ in batch.features]
    logits = model(encoder_outputs=encoded, **inputs, use_cache=False).logits
    losses = example_losses(logits, batch.label_ids, batch.target_layout)
    guessed = example_rows(logits.argmax(dim=-1), batch.target_layout)
    labels = example_rows(batch.label_ids, batch.target_layout)
    learned = [[at for at, label in enumerate(row) if label != IGNORE_INDEX] for row in labels]
    rows = zip(guessed, labels, learned, strict=True)
    return losses, [
        {"guessed": [guess[at] for at in places], "labels": [row[at] for at in places]} for guess, row, places in rows
    ]


def _up_to_end(ids: Tensor, config: GenerationConfig | None) -> Tensor:
    """Where rows of generated tokens hold text: up to their first end token and with it. Bool, [rows, longest]."""
    ends = torch.isin(ids, torch.tensor(getattr(config, "eos_token_id", None) or [], device=ids.device))
    return ends.cumsum(dim=1) - ends.long() == 0


def _after_start(labels: Column, start: int) -> Column:
    """What the decoder reads to say the labels: each example's one place later, after the start token."""
    assert labels.offsets is not None
    values = np.roll(labels.values, 1)
    values[labels.offsets[:-1]] = start
    return Column(values, labels.offsets)


def _after_prompt(labels: Column, prompt: int) -> Column:
    """The label ids of examples with those of so many tokens of the prompt IGNORED."""
    assert labels.offsets is not None
    values = labels.values.copy()
    for place in range(prompt):
        values[labels.offsets[:-1] + place] = IGNORE_INDEX
    return Column(values, labels.offsets)
