"""Micro-batches: the examples of one forward and backward pass. One iterator yields those of all steps of an epoch."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from finetune.data.batches import Indices, StepBatches, step_batches
from finetune.hardware.prefetch import prefetch
from finetune.tasks import Batch
from finetune.training.run import Run


@dataclass(frozen=True)
class StepPlan:
    """The plan of one optimizer step.

    Args:
        window: The batches of the step: those of this process, and those of all processes.
        targets: Number of targets over all batches and all processes, by which the loss is divided.
        largest: Number of token positions of the step's largest batch over all processes, padding included.
    """

    window: StepBatches
    targets: int
    largest: int


@dataclass(frozen=True)
class Piece:
    """The examples of a micro-batch, before they are collated.

    Args:
        indices: Indices of features of the train split; int64, [examples].
        weight: Factor of the loss: 1.0, or 0.0 for a dummy batch, which only keeps the processes in step.
        is_last: Whether the micro-batch is the last one of its optimizer step.
    """

    indices: Indices
    weight: float
    is_last: bool


@dataclass(frozen=True)
class MicroBatch:
    """The examples of one forward and backward pass.

    Args:
        batch: The collated examples, on the process's device.
        indices: Indices of features of the train split; int64, [examples].
        weight: Factor of the loss: 1.0, or 0.0 for a dummy batch, which only keeps the processes in step.
        is_last: Whether the micro-batch is the last one of its optimizer step. DDP exchanges gradients in the backward
            pass of the last one alone.
    """

    batch: Batch
    indices: Indices
    weight: float
    is_last: bool


def plan_steps(run: Run, epoch: int) -> list[StepPlan]:
    """Return the plans of the optimizer steps of an epoch.

    All processes plan the same steps; each then computes its own batches of each step.

    Args:
        run: The run.
        epoch: Number of the epoch, counted from 0.
    """
    plan, accelerator, ragged = run.plan, run.accelerator, run.context.ragged
    batches, targets = plan.epoch(epoch), run.encoded["train"].targets
    lengths = [plan.lengths[batch] for batch in batches]
    # A ragged stream has a position for each token; padded rows are all as long as the longest.
    positions = [int(one.sum() if ragged else one.max() * len(one)) for one in lengths]
    accumulation, processes = run.recipe.training.gradient_accumulation, accelerator.num_processes
    # The maximum over each group of accumulation * processes consecutive batches, which make a step; [steps].
    largest = np.maximum.reduceat(positions, np.arange(0, len(batches), accumulation * processes)).tolist()
    planned = step_batches(batches, accumulation, processes, accelerator.process_index)
    return [
        StepPlan(window, int(targets[window.all].sum()), size) for window, size in zip(planned, largest, strict=True)
    ]


def plan_pieces(steps: Iterable[StepPlan], parts: int) -> Iterator[Piece]:
    """Yield the pieces that this process computes for consecutive steps.

    Args:
        steps: The plans of the steps.
        parts: Number of pieces that each batch is split into; a batch with fewer examples has one piece per example.
    """
    for step in steps:
        window = step.window
        weights = [1.0] * (len(window.local) - window.dummies) + [0.0] * window.dummies
        split = [
            (indices, weight)
            for batch, weight in zip(window.local, weights, strict=True)
            for indices in np.array_split(batch, parts)
            if len(indices)
        ]
        for number, (indices, weight) in enumerate(split, start=1):
            yield Piece(indices, weight, is_last=number == len(split))


def micro_batches(run: Run, steps: Iterable[StepPlan], parts: int) -> Generator[MicroBatch]:
    """Yield the micro-batches that this process computes for consecutive steps; a thread collates them in advance.

    Args:
        run: The run.
        steps: The plans of the steps.
        parts: Number of micro-batches that each batch is split into.

    Returns:
        A generator, which the caller closes if it does not use it up.
    """
    device = run.accelerator.device

    def collate(piece: Piece) -> MicroBatch:
        return MicroBatch(run.collate("train", piece.indices), piece.indices, piece.weight, piece.is_last)

    with closing(prefetch(collate, plan_pieces(steps, parts), ahead=run.recipe.training.prefetch)) as collated:
        for one in collated:
            yield replace(one, batch=one.batch.to(device))


def of_one_step(micro_batches: Iterator[MicroBatch]) -> Iterator[MicroBatch]:
    """Yield the micro-batches of the next step, up to its last one."""
    for one in micro_batches:
        yield one
        if one.is_last:
            return
