"""What a run will cost, by trying: the largest batch first, then some as they come."""

import resource
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch

from finetune.data.batches import BatchLimits, Indices, StepBatches, shards
from finetune.errors import UserError
from finetune.hardware.memory import is_out_of_memory, out_of_memory
from finetune.training import Run
from finetune.training.loop import Loop
from finetune.training.micro_batches import StepPlan, of_one_step

_SECONDS = 8.0
"""Time for each of the two measurements, training and evaluation; a batch that was begun is finished."""
_MOST_BATCHES = 20
_EPOCHS = 10
"""Epochs whose batches are looked through for the largest."""


@dataclass(frozen=True)
class TrialSteps:
    """What was measured.

    Args:
        examples: Examples of the largest batch.
        tokens: Its tokens, source and target together, without padding.
        loss: The untrained model's on it, in nats a target.
        memory: Most bytes that this process, or its GPU, held at a time.
        on_gpu: Whether those are the GPU's.
        batches: Batches of an epoch.
        epoch_seconds: What an epoch of training takes by the batches measured, in one process.
        dev_seconds: What scoring the dev split once takes; while generated texts do not end yet, rather less.
        measured: How many batches the times are from, of train and of dev.
    """

    examples: int
    tokens: int
    loss: float
    memory: int
    on_gpu: bool
    batches: int
    epoch_seconds: float
    dev_seconds: float
    measured: tuple[int, int]


def try_out(run: Run) -> TrialSteps:
    """Train on the largest batch and on some others, and score some of dev; the model is spent afterwards.

    Raises:
        UserError: Memory does not suffice, or the loss is not finite.
    """
    loop = Loop(run)
    largest = _largest(loop)
    loop.model.train()
    try:
        with loop.computing():
            (loss,) = _train(loop, [largest])
            seconds = _seconds_a_token(loop, loop.plan.epoch(0))
        dev_seconds, dev_batches = _score(loop)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(f"for the largest batch, of {_describe(loop, largest)}") from error
    if not np.isfinite(loss):
        raise UserError(
            "the loss of the untrained model is not finite",
            found=f"{loss} on the largest batch, of {_describe(loop, largest)}",
            fix="training.precision=fp32 tells whether it is the precision",
        )
    return TrialSteps(
        examples=len(largest),
        tokens=int(loop.plan.lengths[largest].sum()),
        loss=loss,
        memory=_most_memory(run.accelerator.device),
        on_gpu=run.accelerator.device.type == "cuda",
        batches=len(loop.plan),
        epoch_seconds=seconds[0] * int(loop.plan.lengths.sum()),
        dev_seconds=dev_seconds,
        measured=(seconds[1], dev_batches),
    )


def _largest(loop: Loop) -> Indices:
    """The batch of the run that takes most memory: that with the most places for tokens, padding included."""
    lengths, ragged = loop.plan.lengths, loop.run.context.ragged

    def places(batch: Indices) -> int:
        return int(lengths[batch].sum() if ragged else lengths[batch].max() * len(batch))

    epochs = range(min(loop.epochs, _EPOCHS))
    return max((batch for epoch in epochs for batch in loop.plan.epoch(epoch)), key=places)


def _train(loop: Loop, batches: Sequence[Indices]) -> Iterable[float]:
    """The loss of each batch, in nats a target, after a step of the optimizer on it alone."""
    targets = loop.run.encoded["train"].targets
    steps = [StepPlan(StepBatches((batch,), 0, batch), int(targets[batch].sum()), len(batch)) for batch in batches]
    with closing(loop.micro_batches(steps)) as prepared:
        for step in steps:
            flags = loop.step(of_one_step(prepared), step.targets)
            yield flags.loss.item() / max(step.targets, 1)  # waits for the device


def _seconds_a_token(loop: Loop, batches: Sequence[Indices]) -> tuple[float, int]:
    chosen = batches[:_MOST_BATCHES]
    start, tokens, number = time.perf_counter(), 0, 0
    for number, _ in enumerate(_train(loop, chosen), start=1):
        tokens += int(loop.plan.lengths[chosen[number - 1]].sum())
        if time.perf_counter() - start > _SECONDS:
            break
    return (time.perf_counter() - start) / max(tokens, 1), number


def _score(loop: Loop) -> tuple[float, int]:
    """Seconds that the dev split takes, and how many batches that was measured on: first the longest, then others."""
    run = loop.run
    lengths, evaluation = run.encoded["dev"].lengths, run.recipe.evaluation
    batches = shards(lengths, BatchLimits(evaluation.batch_size, evaluation.tokens_per_batch), 1, 0)
    spaced = sorted(range(len(batches)), key=lambda number: (number % 7 != 0, number))[:_MOST_BATCHES]
    chosen = [batches[number] for number in spaced]
    model = loop.unwrapped.train(False)
    start, tokens, number = time.perf_counter(), 0, 0
    with (
        run.tuned(),
        torch.inference_mode(),
        run.accelerator.autocast(),
        closing(run.batches("dev", chosen)) as prepared,
    ):
        for number, batch in enumerate(prepared, start=1):
            run.task.predict(model, batch, run.context, final=False)
            tokens += int(lengths[chosen[number - 1]].sum())
            if time.perf_counter() - start > _SECONDS:
                break
    seconds = time.perf_counter() - start
    return seconds * int(lengths.sum()) / max(tokens, 1), number


def _most_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024  # elsewhere it is in KiB


def _describe(loop: Loop, batch: Indices) -> str:
    return f"{len(batch):,} examples and {int(loop.plan.lengths[batch].sum()):,} tokens"
