"""Ways to train one model on the same texts, for bench_training.py: finetune's, and those of transformers' Trainer.

Each variant has single steps, on batches that are ready, and a whole epoch, from tokenized texts to the last step.
Neither evaluates or saves checkpoints.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from finetune.data.batches import Indices
from finetune.recipe import Training
from finetune.training import Run, prepare
from finetune.training.loop import Loop
from finetune.training.micro_batches import MicroBatch, StepPlan, plan_steps
from finetune.training.monitor import Monitor
from scripts.benchmark_models import recipe
from scripts.trainer_variant import DYNAMIC, Options, TrainerVariant
from scripts.variant import BATCH_SIZE, Amount, Prepared, Step, Variant, quiet, spread, unwrap


class _TrainingMonitor(Monitor):
    """A monitor that never evaluates, and so saves no checkpoint."""

    def evaluation_is_due(self, steps_of_epoch: int) -> bool:
        return False


class TrainingOnly(Loop):
    """The loop of finetune without evaluation and checkpoints."""

    def __init__(self, run: Run) -> None:
        super().__init__(run)
        self.monitor = _TrainingMonitor(self)


class LoopVariant(Variant):
    """The loop of finetune with the defaults of a recipe.

    Args:
        name: Name of the variant.
        prepared: The model and the data.
        precision: Precision of the matrix products.
    """

    keeps_memory = True

    def __init__(self, name: str, prepared: Prepared, precision: Literal["fp32", "bf16"]) -> None:
        super().__init__(name, prepared)
        training = Training(epochs=1, batch_size=BATCH_SIZE, precision=precision, warmup=0.0, schedule="constant")
        self._loop: Loop | None = None
        with self.at_work(), quiet():
            self.run: Run = prepare(recipe(self.shape, prepared.folder, training))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Set the global settings of the variant inside this block, and compute as the loop of a run does."""
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


VARIANTS: dict[str, Callable[[Prepared], Variant]] = {
    "(a) Trainer, padded to 128": lambda prepared: TrainerVariant("a", prepared, Options("max", {})),
    "(b) Trainer, dynamic padding": lambda prepared: TrainerVariant("b", prepared, DYNAMIC),
    "(c) Trainer, tuned": lambda prepared: TrainerVariant(
        "c",
        prepared,
        replace(
            DYNAMIC,
            arguments={"bf16": True, "optim": "adamw_torch_fused", "train_sampling_strategy": "group_by_length"},
            fast=True,
        ),
    ),
    "finetune, fp32": lambda prepared: LoopVariant("fp32", prepared, "fp32"),
    "finetune, bf16": lambda prepared: LoopVariant("bf16", prepared, "bf16"),
}
