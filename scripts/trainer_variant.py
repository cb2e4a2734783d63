"""Training by transformers' Trainer, as a variant for bench_training.py."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from accelerate import Accelerator
from datasets import Dataset, load_dataset
from torch import Tensor
from torch.optim import Optimizer
from transformers import (
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    DataCollatorWithPadding,
    PreTrainedModel,
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from scripts.variant import BATCH_SIZE, Amount, Prepared, Step, Variant, count_targets, quiet, spread, unwrap
from scripts.workload import MAX_LENGTH


@dataclass(frozen=True)
class Options:
    """Options of a Trainer.

    Args:
        padding: Length to which inputs are padded: MAX_LENGTH ("max"), or the longest of the batch ("longest").
        arguments: Arguments of TrainingArguments.
        fast: Whether an epoch has all examples, or only `Prepared.epoch_examples`.
    """

    padding: Literal["max", "longest"]
    arguments: dict[str, Any]
    fast: bool = False


class TrainerVariant(Variant):
    """transformers' Trainer, or its Seq2SeqTrainer for T5.

    Args:
        name: Name of the variant.
        prepared: The model and the data.
        options: Options of the Trainer.
    """

    def __init__(self, name: str, prepared: Prepared, options: Options) -> None:
        super().__init__(name, prepared)
        self.options = options
        with quiet():
            self.tokenizer = AutoTokenizer.from_pretrained(prepared.folder / "model")
            self.data = self._tokenize()
            self.model = self.shape.auto_class.from_pretrained(prepared.folder / "model")

    def steps(self, count: int) -> list[Step]:
        with self.at_work(), quiet():
            unwrap(self.model)
            trainer = self._trainer(self.data)
            loader = list(trainer.get_train_dataloader())
            batches = [loader[index] for index in spread(len(loader), count)]
            model, optimizer = trainer.accelerator.prepare(self.model, trainer.create_optimizer())
            model.train()
        return [partial(self._step, trainer.accelerator, model, optimizer, batch) for batch in batches]

    def _step(
        self, accelerator: Accelerator, model: PreTrainedModel, optimizer: Optimizer, batch: dict[str, Tensor]
    ) -> Amount:
        accelerator.backward(model(**batch).loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return self._amount(batch)

    def epoch(self) -> tuple[Amount, float]:
        examples = len(self.data) if self.options.fast else min(self.prepared.epoch_examples, len(self.data))
        with self.at_work(), quiet():
            unwrap(self.model)
            start = time.perf_counter()
            trainer = self._trainer(self.data.select(range(examples)))
            trainer.train()
            seconds = time.perf_counter() - start
            trainer.accelerator.free_memory()
        rows = self.data[:examples]
        sources = [sum(mask) for mask in rows["attention_mask"]]
        targets = [count_targets(labels) for labels in rows["labels"]] if self.shape.is_t5 else []
        return Amount.of(self.shape, sources, targets), seconds

    def _amount(self, batch: dict[str, Tensor]) -> Amount:
        sources = batch["attention_mask"].sum(1).tolist()
        targets = (batch["labels"] != -100).sum(1).tolist() if self.shape.is_t5 else []
        return Amount.of(self.shape, sources, targets)

    def _trainer(self, data: Dataset) -> Trainer:
        trainer = Seq2SeqTrainer if self.shape.is_t5 else Trainer
        arguments = Seq2SeqTrainingArguments if self.shape.is_t5 else TrainingArguments
        made = trainer(
            model=self.model,
            args=arguments(
                output_dir=str(self.prepared.folder / "trainer"),
                num_train_epochs=1,
                per_device_train_batch_size=BATCH_SIZE,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                use_cpu=not torch.cuda.is_available(),
                dataloader_pin_memory=torch.cuda.is_available(),
                **self.options.arguments,
            ),
            train_dataset=data,
            data_collator=self._collator(),
            processing_class=self.tokenizer,
        )
        made.remove_callback(PrinterCallback)
        return made

    def _collator(self) -> Callable[[Any], Any]:
        if self.options.padding == "max":
            return default_data_collator
        if self.shape.is_t5:
            return DataCollatorForSeq2Seq(self.tokenizer, model=self.model)
        return DataCollatorWithPadding(self.tokenizer)

    def _tokenize(self) -> Dataset:
        """Tokenize the data as transformers' run_glue.py and run_translation.py do."""
        to_maximum = self.options.padding == "max"
        settings = {"truncation": True, "max_length": MAX_LENGTH, "padding": "max_length" if to_maximum else False}

        def tokenize(rows: dict[str, list[str]]) -> dict[str, list[Any]]:
            if not self.shape.is_t5:
                encoded = dict(self.tokenizer(rows["text"], **settings))
                return encoded | {"labels": [int(label[-1]) for label in rows["label"]]}
            labels = self.tokenizer(text_target=rows["target"], **settings)["input_ids"]
            padding = self.tokenizer.pad_token_id
            ignored = [[-100 if token == padding else token for token in row] for row in labels]
            return dict(self.tokenizer(rows["source"], **settings)) | {"labels": ignored}

        path = str(self.prepared.folder / "data" / "train.jsonl")
        cache = str(self.prepared.folder / "cache")
        data = load_dataset("json", data_files=path, split="train", cache_dir=cache)
        return data.map(tokenize, batched=True, remove_columns=data.column_names)


DYNAMIC = Options("longest", {})
"""The options with which the examples of transformers are launched."""
