"""Text to text: an encoder-decoder generates an output text for each input text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from datasets import Dataset
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.generic import ModelOutput

from finetune import metrics, models
from finetune.attention import pretrained
from finetune.data import Field
from finetune.data.features import Column, Features
from finetune.errors import UserError
from finetune.generation import generate
from finetune.recipe import Recipe, TextToText
from finetune.tasks import fields
from finetune.tasks.base import Task, Tokenize
from finetune.tasks.batch import IGNORE_INDEX, Batch
from finetune.tasks.context import TaskContext
from finetune.tasks.decoding import decoder_start, ignore_prompt, score_targets, shift_right, up_to_end
from finetune.tasks.mask_columns import lay_out_columns, token_columns
from finetune.tasks.predictions import EvaluationRecord, Prediction, references
from finetune.tasks.scoring import MetricInputs
from finetune.tasks.special_tokens import marks, refuse_marks
from finetune.tasks.tensors import (
    column_values,
    cross_entropy,
    example_losses,
    input_columns,
    lay_out,
    lay_out_inputs,
    layout_of,
    valid_rows,
)
from finetune.tasks.tokenizer_losses import lost_targets


class TextToTextTask(Task):
    """Text to text. The model is trained with teacher forcing, and scored on the texts that beam search generates."""

    reference_field = "target"
    unstored_metrics = ("token_accuracy",)

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.config = cast(TextToText, recipe.task)

    @property
    def fields(self) -> tuple[Field, ...]:
        return fields.text_to_text(self.recipe)

    @property
    def prefix(self) -> str:
        """The text that is put before every input."""
        return self.config.prefix

    def prompt_ids(self, tokenizer: PreTrainedTokenizerBase) -> list[int]:
        """Return the token ids of the prompt, which follow the decoder's start token and are not learned."""
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

    def has_words(self, references: Sequence[Any]) -> bool:
        from finetune.metrics.sacrebleu import has_words

        return has_words(references)

    def example_score(self, record: EvaluationRecord) -> float:
        """Return the chrF of the text, 0 to 100."""
        from finetune.metrics.chrf import sentence_chrf

        return sentence_chrf(record.prediction, record.reference)

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
        columns |= token_columns(self.program, encoding, range(len(indices)), batch, ("source",), self.prefix)
        columns["example"] = indices
        if "target" not in batch:  # batches are made as if outputs were as long as inputs
            return columns | {"targets": [0] * len(indices), "length": [2 * length for length in columns["length"]]}
        targets = context.tokenizer(
            text_target=batch["target"], truncation=True, max_length=self.config.max_target_length
        )
        usual = context.tokenizer(text_target="a")["input_ids"]
        refuse_marks("target", targets["input_ids"], usual, marks(context.tokenizer), batch.get("id", indices))
        # BERT's tokenizer begins with [CLS], which is the decoder's start token and must not be learned as a target.
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
        learned = None if labels is None else ignore_prompt(labels, len(self.prompt_ids(context.tokenizer)))
        return Batch(
            inputs=inputs if labels is None else inputs | self._decoder_inputs(labels, context),
            mask_features=lay_out_columns(features, ragged=context.ragged),
            label_ids=torch.empty(0) if learned is None else lay_out(learned, IGNORE_INDEX, ragged=context.ragged),
            features=column_values(features, "feature"),
            examples=column_values(features, "example"),
        )

    def _decoder_inputs(self, labels: Column, context: TaskContext) -> dict[str, Any]:
        shifted = shift_right(labels, decoder_start(context))
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
        """Whether masks let a target attend to its padding, which is on the right, where causal masks never see it."""
        return not (self.program.is_standard_at("decoder") and self.program.is_standard_at("cross"))

    def loss(self, model: torch.nn.Module, batch: Batch, label_smoothing: float) -> Tensor:
        logits = model(**batch.source, use_cache=False).logits  # [batch, length, vocab_size] or [1, tokens, vocab_size]
        return cross_entropy(logits, batch.label_ids, label_smoothing=label_smoothing)

    def predict(
        self, model: PreTrainedModel, batch: Batch, context: TaskContext, *, final: bool, scores: bool = False
    ) -> list[Prediction]:
        decoder_inputs = {name: given for name, given in batch.inputs.items() if name.startswith("decoder_")}
        encoder_inputs = {name: given for name, given in batch.source.items() if name not in decoder_inputs}
        encoded = model.get_encoder()(**encoder_inputs)
        # peft reads the number of examples from input_ids, to repeat its prefix for each of them.
        names = ("attention_mask", "layout", *(("input_ids",) if models.learns_prefix(model) else ()))
        layout: dict[str, Any] = {name: encoder_inputs[name] for name in names if name in encoder_inputs}
        losses, forced = score_targets(model, encoded, layout | decoder_inputs, batch)
        if "layout" in layout:  # beam search computes padded rows
            encoded, attention_mask = pretrained.to_rows(encoded, layout["layout"])
            layout = {"attention_mask": attention_mask}
        prompt = self.prompt_ids(context.tokenizer)
        start = torch.tensor([decoder_start(context), *prompt], device=model.device)
        begun = start.expand(len(batch.features), -1)  # [batch, 1 + prompt]
        generated = self._generate(model, encoded, layout, begun, final=final)  # [batch, longest], with these first
        texts: list[str] = context.tokenizer.batch_decode(generated[:, begun.shape[1] :], skip_special_tokens=True)
        log_probabilities: list[float | None] = [None] * len(texts)
        if scores:
            log_probabilities = self._log_probabilities(model, encoded, layout, generated, len(prompt))
        outputs = [{"text": text.strip(), **of_text} for text, of_text in zip(texts, forced, strict=True)]
        targets = [len(of_text.get("labels", ())) for of_text in forced]
        rows = zip(batch.features, batch.examples, losses, targets, outputs, log_probabilities, strict=True)
        return [Prediction(*row) for row in rows]

    def _generate(
        self, model: PreTrainedModel, encoded: ModelOutput, layout: Mapping[str, Any], begun: Tensor, *, final: bool
    ) -> Tensor:
        # Without a prompt no decoder_input_ids are given, since peft's prefix tuning does not accept them.
        prompt = {"decoder_input_ids": begun} if begun.shape[1] > 1 else {}
        return generate(
            model,
            encoded,
            num_beams=self.config.num_beams if final else self.config.dev_num_beams,
            max_new_tokens=self.config.max_target_length,
            length_penalty=self.config.length_penalty,
            **prompt,
            **layout,
        )

    def _log_probabilities(
        self, model: PreTrainedModel, encoded: ModelOutput, layout: Mapping[str, Any], generated: Tensor, prompt: int
    ) -> list[float | None]:
        """Return the mean log-probability of the tokens of each generated text, in nats.

        Args:
            model: The model.
            encoded: The output of the encoder, padded.
            layout: The attention mask of the source.
            generated: int64 [batch, longest], with the start token and the prompt.
            prompt: The number of tokens of the prompt, which are left out. The end-of-sequence token counts.
        """
        shifted, label_ids = generated[:, :-1], generated[:, 1:]  # [batch, longest - 1]
        valid = up_to_end(label_ids, model.generation_config)
        decoder_inputs = {"decoder_input_ids": shifted}
        if self._shows_padding:
            decoder_inputs["decoder_attention_mask"] = valid.long()
        logits = model(encoder_outputs=encoded, **layout, **decoder_inputs, use_cache=False).logits
        scored = valid & (torch.arange(valid.shape[1], device=valid.device) >= prompt)
        losses = example_losses(logits, label_ids.masked_fill(~scored, IGNORE_INDEX))
        return [-loss / max(count, 1) for loss, count in zip(losses, scored.sum(dim=1).tolist(), strict=True)]

    def records(
        self, split: Dataset, predictions: Sequence[Prediction], context: TaskContext
    ) -> list[EvaluationRecord]:
        """Return the records. With scores they show the mean log-probability of the generated tokens, in nats."""
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

    def metric_inputs(self, records: Sequence[EvaluationRecord], context: TaskContext) -> MetricInputs:
        texts = [record.prediction for record in records], [record.reference for record in records]
        if any("guessed" not in record.hidden for record in records):  # read from the file of predictions
            return MetricInputs(texts)
        forced = [record.hidden["guessed"] for record in records], [record.hidden["labels"] for record in records]
        return MetricInputs(texts, {"token_accuracy": forced})
