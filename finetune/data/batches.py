"""Which examples make a batch: a plan of an epoch that depends on the seed and the epoch alone.

Every process computes the same plan and takes its part, so that the batches are the same whatever the number of
processes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]

_POOL = 100
"""Batches whose examples are sorted together when like lengths are grouped; beyond that the order is random."""


@dataclass(frozen=True)
class BatchPlan:
    """How an epoch is cut into batches.

    Args:
        lengths: Tokens of each example, without padding; int64, [examples].
        batch_size: Examples in a batch.
        tokens_per_batch: Instead: a batch starts each time this many tokens have gone by, so that batches hold
            about this many; an example longer than that has a batch of its own.
        group_by_length: Batch examples of like length, drawn from pools of 100 batches.
        seed: Fixes the order, together with the epoch.
    """

    lengths: Indices
    batch_size: int
    tokens_per_batch: int | None = None
    group_by_length: bool = False
    seed: int = 0

    def epoch(self, epoch: int) -> list[Indices]:
        """The batches of an epoch in order; each example is in exactly one."""
        generator = np.random.default_rng((self.seed, epoch))
        order = generator.permutation(len(self.lengths))
        if self.group_by_length:
            order = self._sort_pools(order)
        batches = [batch for batch in np.split(order, self._cuts(order)) if len(batch)]
        if self.group_by_length:
            batches = [batches[index] for index in generator.permutation(len(batches))]
        return batches

    def _sort_pools(self, order: Indices) -> Indices:
        """Sort by length within each pool; examples of one length stay in random order."""
        examples = self.batch_size
        if self.tokens_per_batch:
            examples = max(1, round(self.tokens_per_batch / max(float(self.lengths.mean()), 1.0)))
        pool = np.arange(len(order)) // (examples * _POOL)
        return order[np.lexsort((self.lengths[order], pool))]

    def _cuts(self, order: Indices) -> Indices:
        """Where in the order each batch but the first begins."""
        if self.tokens_per_batch is None:
            return np.arange(self.batch_size, len(order), self.batch_size)
        lengths = self.lengths[order]
        starts = np.cumsum(lengths) - lengths
        return np.flatnonzero(np.diff(starts // self.tokens_per_batch)) + 1


@dataclass(frozen=True)
class Window:
    """The batches of one optimizer step.

    Args:
        mine: Those that this process computes; each process computes the same number.
        spare: How many of `mine`, at the end, only keep the processes in step and weigh nothing.
        everyone: The examples of the step over all processes, by which its loss is averaged.
    """

    mine: tuple[Indices, ...]
    spare: int
    everyone: Indices


def windows(batches: Sequence[Indices], accumulation: int, processes: int, rank: int) -> Iterator[Window]:
    """Group an epoch's batches into optimizer steps and give each process its share.

    The last step takes what is left. Where that does not share out evenly, a process computes a batch of it a second
    time, at weight 0, because all processes must take part in each exchange of gradients.
    """
    for start in range(0, len(batches), accumulation * processes):
        window = tuple(batches[start : start + accumulation * processes])
        mine = window[rank::processes]
        spare = -(-len(window) // processes) - len(mine)
        yield Window(mine + window[:1] * spare, spare, np.concatenate(window))


def shards(lengths: Indices, batch_size: int, processes: int, rank: int) -> list[Indices]:
    """Batches of like length for evaluation: the longest first, every example on exactly one process.

    Longest first, so that memory that does not suffice is found out at once and the time left is not underestimated.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = np.split(order, np.arange(batch_size, len(order), batch_size)) if len(order) else []
    return batches[rank::processes]
