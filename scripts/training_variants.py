"""Ways to train one model on the same texts, for bench_training.py: the toolkit's, and those of transformers' Trainer.

Each gives its steps, with batches that are ready, and a whole epoch, from the tokens to the last step. Evaluation and
checkpoints are left out on all sides.
"""

import ctypes
import platform
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import transformers
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState, PartialState
from datasets import Dataset, disable_progress_bars, load_dataset
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

from finetune.data.batches import Indices
from finetune.progress import console
from finetune.recipe import Training
from finetune.training import Run, prepare
from finetune.training.loop import Loop
from finetune.training.micro_batches import MicroBatch, StepPlan, plan_steps
from scripts.benchmark_models import MAX_LENGTH, Shape, recipe, training_work

BATCH_SIZE = 32


@dataclass(frozen=True)
class Prepared:
    """Where the model and the data are.

    Args:
        shape: The model.
        folder: What `benchmark_models.write` has written.
        epoch_examples: How many examples, the first, an epoch of a slow variant has.
    """

    shape: Shape
    folder: Path
    epoch_examples: int


@dataclass(frozen=True)
class Amount:
    """What a step or an epoch has computed: tokens without padding, and the operations that they need."""

    tokens: int
    operations: int

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens + other.tokens, self.operations + other.operations)

    @classmethod
    def of(cls, shape: Shape, sources: Sequence[int], targets: Sequence[int]) -> "Amount":
        """Of examples with so many tokens each."""
        return cls(sum(sources) + sum(targets), training_work(shape.config, sources, targets))


Step = Callable[[], Amount]


class Variant(ABC):
    """A way to train. What is global in a process is its own while it works.

    Such are accelerate's state, which holds the precision, and how the C library keeps freed memory, which the toolkit
    sets.
    """

    keeps_memory = False

    def __init__(self, name: str, prepared: Prepared) -> None:
        self.name = name
        self.prepared = prepared
        self.shape = prepared.shape
        self._states: dict[type, dict[str, Any]] = {PartialState: {}, AcceleratorState: {}, GradientState: {}}

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Work inside this block."""
        for kind, state in self._states.items():
            kind._shared_state.clear()  # type: ignore[attr-defined]
            kind._shared_state.update(state)  # type: ignore[attr-defined]
        keep_memory(kept=self.keeps_memory)
        try:
            yield
        finally:
            self._states = {kind: dict(kind._shared_state) for kind in self._states}  # type: ignore[attr-defined]

    @abstractmethod
    def steps(self, count: int) -> list[Step]:
        """Optimizer steps on `count` batches, spread evenly over an epoch's; each is to be called at work."""

    @abstractmethod
    def epoch(self) -> tuple[Amount, float]:
        """A whole epoch and its seconds."""


class TrainingOnly(Loop):
    """The loop without evaluation and checkpoints."""

    def _evaluation_is_due(self, steps_of_epoch: int) -> bool:
        return False


class Ours(Variant):
    """The toolkit's loop with a recipe's defaults."""

    keeps_memory = True

    def __init__(self, name: str, prepared: Prepared, precision: Literal["fp32", "bf16"]) -> None:
        super().__init__(name, prepared)
        training = Training(epochs=1, batch_size=BATCH_SIZE, precision=precision, warmup=0.0, schedule="constant")
        self._loop: Loop | None = None
        with self.at_work(), quiet():
            self.run: Run = prepare(recipe(self.shape, prepared.folder, training))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Work inside this block, in the ways that a run's loop sets up."""
        with super().at_work(), self._loop.computing() if self._loop else nullcontext():
            yield

    def steps(self, count: int) -> list[Step]:
        with self.at_work():
            loop = TrainingOnly(self.run)
            plans = plan_steps(self.run, 0)
            chosen = [plans[index] for index in spread(len(plans), count)]
            batches = list(loop.micro_batches(chosen))
            loop.model.train()
        self._loop = loop
        return [partial(self._step, loop, plan, batch) for plan, batch in zip(chosen, batches, strict=True)]

    def _step(self, loop: Loop, plan: StepPlan, micro_batch: MicroBatch) -> Amount:
        loop.take_step(plan, iter([micro_batch]))
        return self._amount([plan.window.all])

    def epoch(self) -> tuple[Amount, float]:
        self._loop = None
        with self.at_work(), quiet():
            unwrap(self.run.model)
            start = time.perf_counter()
            loop = TrainingOnly(self.run)
            loop.train()
            seconds = time.perf_counter() - start
            self.run.accelerator.free_memory()
        return self._amount(loop.plan.epoch(0)), seconds

    def _amount(self, batches: Sequence[Indices]) -> Amount:
        encoded = self.run.encoded["train"]
        examples = np.concatenate(batches)
        targets = encoded.targets[examples] if self.shape.is_t5 else np.zeros(len(examples), dtype=np.int64)
        sources = encoded.lengths[examples] - targets
        return Amount.of(self.shape, sources.tolist(), targets.tolist() if self.shape.is_t5 else [])


@dataclass(frozen=True)
class Options:
    """How a Trainer is set up.

    Args:
        padding: To MAX_LENGTH ("max"), or to the longest of the batch ("longest").
        arguments: Of TrainingArguments.
        fast: Whether an epoch is of all examples; of Prepared.epoch_examples otherwise.
    """

    padding: Literal["max", "longest"]
    arguments: dict[str, Any]
    fast: bool = False


class Peer(Variant):
    """transformers' Trainer, or its Seq2SeqTrainer for T5."""

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
        """As in transformers' run_glue.py and run_translation.py."""
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


def unwrap(model: PreTrainedModel) -> None:
    """Take off what accelerate has put around the model's forward, which it does not put there a second time."""
    for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
        model.__dict__.pop(name, None)


def keep_memory(*, kept: bool) -> None:
    """Let glibc keep all freed memory, as the toolkit does; or what it keeps by default after some steps."""
    if platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_threshold = (2**31 - 1, 2**31 - 1) if kept else (2**26, 2**25)
        library = ctypes.CDLL(None)
        library.mallopt(-1, trim_threshold)
        library.mallopt(-3, mmap_threshold)


def count_targets(labels: Sequence[int]) -> int:
    """Tokens that are no padding."""
    return sum(label != -100 for label in labels)


def spread(total: int, count: int) -> list[int]:
    """`count` numbers below `total`, evenly spaced."""
    return [index * total // count for index in range(count)]


@contextmanager
def quiet() -> Iterator[None]:
    """No progress on the terminal."""
    was = console.quiet, transformers.logging.get_verbosity()
    console.quiet = True
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    disable_progress_bars()
    try:
        yield
    finally:
        console.quiet = was[0]
        transformers.logging.set_verbosity(was[1])


DYNAMIC = Options("longest", {})
"""As transformers' examples are launched."""

VARIANTS: dict[str, Callable[[Prepared], Variant]] = {
    "(a) Trainer, padded to 128": lambda prepared: Peer("a", prepared, Options("max", {})),
    "(b) Trainer, dynamic padding": lambda prepared: Peer("b", prepared, DYNAMIC),
    "(c) Trainer, tuned": lambda prepared: Peer(
        "c",
        prepared,
        replace(
            DYNAMIC,
            arguments={"bf16": True, "optim": "adamw_torch_fused", "train_sampling_strategy": "group_by_length"},
            fast=True,
        ),
    ),
    "finetune, fp32": lambda prepared: Ours("fp32", prepared, "fp32"),
    "finetune, bf16": lambda prepared: Ours("bf16", prepared, "bf16"),
}
