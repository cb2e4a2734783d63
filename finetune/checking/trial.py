"""A trial of a run: the time and the memory of its largest batch and of some others."""

import resource
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain, count, islice
from typing import TypeAlias

import numpy as np
import torch

from finetune.data.batches import BatchLimits, Indices, StepBatches, shards
from finetune.errors import UserError
from finetune.hardware.memory import is_out_of_memory, out_of_memory
from finetune.training import Run
from finetune.training.loop import Loop
from finetune.training.micro_batches import StepPlan, of_one_step

_SECONDS = 8.0
"""The time in seconds after which each of the two measurements, training and evaluation, begins no other batch."""
_MOST_SECONDS = 30.0
"""The time in seconds after which training begins no other step, even where fewer than `_FEWEST_STEPS` are measured."""
_FEWEST_STEPS = 3
"""The number of training steps that are measured where they do not take too long."""
_MOST_BATCHES = 20
"""The largest number of batches that each of them computes."""
_EPOCHS = 10
"""The number of epochs whose batches are searched for the largest."""


FloatArray: TypeAlias = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class TrialSteps:
    """The measurements of a trial.

    Args:
        examples: The number of examples of the largest batch.
        tokens: The number of tokens of the largest batch, source and target together, without padding.
        loss: The loss of the untrained model on the largest batch, the mean over targets in nats.
        memory: The peak memory of the GPU, or else of this process, in bytes.
        on_gpu: Whether `memory` is that of the GPU.
        batches: The number of batches of an epoch.
        epoch_seconds: The estimated time of an epoch of training in one process, in seconds, by the median of the steps
            that were measured.
        epoch_quartiles: The same by their lower and their upper quartile.
        dev_seconds: The estimated time of scoring the dev split once, in seconds. A trained model may take less, since
            the texts that it generates end earlier.
        measured: The numbers of train and dev batches that were measured.
    """

    examples: int
    tokens: int
    loss: float
    memory: int
    on_gpu: bool
    batches: int
    epoch_seconds: float
    epoch_quartiles: tuple[float, float]
    dev_seconds: float
    measured: tuple[int, int]


def try_out(run: Run) -> TrialSteps:
    """Train on the largest batch and on some others, and score some batches of dev.

    The weights of the model are changed and must not be used afterwards.

    Raises:
        UserError: There is not enough memory, or the loss is not finite.
    """
    loop = Loop(run)
    largest = _largest(loop)
    loop.model.train()
    try:
        with loop.computing():
            (loss,) = _train(loop, [largest])
            _check_finite(loss, loop, largest)
            rates = _seconds_a_token(loop)
        dev_seconds, dev_batches = _score(loop)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise out_of_memory(f"for the largest batch, of {_describe(loop, largest)}", run.recipe.training) from error
    median, lower, upper = quartiles(rates * int(loop.plan.lengths.sum()))
    return TrialSteps(
        examples=len(largest),
        tokens=int(loop.plan.lengths[largest].sum()),
        loss=loss,
        memory=_most_memory(run.accelerator.device),
        on_gpu=run.accelerator.device.type == "cuda",
        batches=len(loop.plan),
        epoch_seconds=median,
        epoch_quartiles=(lower, upper),
        dev_seconds=dev_seconds,
        measured=(len(rates), dev_batches),
    )


def _check_finite(loss: float, loop: Loop, largest: Indices) -> None:
    """Raise an error where the loss of the untrained model is not finite.

    Raises:
        UserError: The loss is infinite or not a number.
    """
    if not np.isfinite(loss):
        raise UserError(
            "the loss of the untrained model is not finite",
            found=f"{loss} on the largest batch, of {_describe(loop, largest)}",
            fix="training.precision=fp32 tells whether it is the precision",
        )


def _largest(loop: Loop) -> Indices:
    """Return the batch that takes most memory: the one with the most positions, padding included."""
    lengths, ragged = loop.plan.lengths, loop.run.context.ragged

    def positions(batch: Indices) -> int:
        return int(lengths[batch].sum() if ragged else lengths[batch].max() * len(batch))

    epochs = range(min(loop.epochs, _EPOCHS))
    return max((batch for epoch in epochs for batch in loop.plan.epoch(epoch)), key=positions)


def _train(loop: Loop, batches: Sequence[Indices]) -> Iterable[float]:
    """Yield the loss of each batch, the mean over targets in nats, and take an optimizer step on it alone."""
    targets = loop.run.encoded["train"].targets
    steps = [StepPlan(StepBatches((batch,), 0, batch), int(targets[batch].sum()), len(batch)) for batch in batches]
    with closing(loop.micro_batches(steps)) as prepared:
        for step in steps:
            flags = loop.step(of_one_step(prepared), step.targets)
            yield flags.loss.item() / max(step.targets, 1)  # waits for the device


def _seconds_a_token(loop: Loop) -> FloatArray:
    """Return the seconds of training for each token, of several steps; float64, [steps].

    The first step is not among them: it starts the thread that collates, and compiles kernels for its size.
    """
    chosen = list(islice(chain.from_iterable(map(loop.plan.epoch, count())), 1 + _MOST_BATCHES))
    seconds = list[float]()
    last = time.perf_counter()
    for _ in _train(loop, chosen):
        now = time.perf_counter()
        seconds.append(now - last)
        last = now
        if _is_enough(seconds[1:]):
            break
    tokens = [int(loop.plan.lengths[batch].sum()) for batch in chosen[: len(seconds)]]
    return np.divide(seconds[1:], tokens[1:], dtype=np.float64)


def _is_enough(seconds: Sequence[float]) -> bool:
    """Return whether the steps that were measured suffice: several, or a single one where steps take very long."""
    limit = _SECONDS if len(seconds) >= _FEWEST_STEPS else _MOST_SECONDS
    return sum(seconds) > limit


def quartiles(values: FloatArray) -> tuple[float, float, float]:
    """Return the median, the lower and the upper quartile of some values."""
    lower, median, upper = (float(one) for one in np.quantile(values, [0.25, 0.5, 0.75]))
    return median, lower, upper


def _score(loop: Loop) -> tuple[float, int]:
    """Return the estimated seconds of scoring the dev split, and the number of batches measured."""
    run = loop.run
    lengths, evaluation = run.encoded["dev"].lengths, run.recipe.evaluation
    batches = shards(lengths, BatchLimits(evaluation.batch_size, evaluation.tokens_per_batch), 1, 0)
    # Batches are ordered by length, the longest first. Every seventh comes first here, so that few have all lengths.
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
            if number == 1 and len(chosen) > 1:  # a warm-up
                start = time.perf_counter()
                continue
            tokens += int(lengths[chosen[number - 1]].sum())
            if time.perf_counter() - start > _SECONDS:
                break
    seconds = time.perf_counter() - start
    return seconds * int(lengths.sum()) / max(tokens, 1), max(number - 1, 1)


def _most_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024  # elsewhere it is in KiB


def _describe(loop: Loop, batch: Indices) -> str:
    return f"{len(batch):,} examples and {int(loop.plan.lengths[batch].sum()):,} tokens"
