"""Which examples make a batch: a plan of an epoch that depends on the seed and the epoch alone.

Every process computes the same plan and takes its part, so that the batches are the same whatever the number of
processes.
"""

import math
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
        tokens_per_batch: Instead: the fewest batches that hold this many tokens each on average. All hold about the
            same number, off by at most the longest example's; which examples share a batch is left to chance.
        group_by_length: Batch examples of like length, drawn from pools of 100 batches.
        seed: Fixes the order, together with the epoch.
    """

    lengths: Indices
    batch_size: int
    tokens_per_batch: int | None = None
    group_by_length: bool = False
    seed: int = 0

    def __len__(self) -> int:
        """Return the number of batches in an epoch, which is the same for all epochs."""
        if self.tokens_per_batch is None:
            return math.ceil(len(self.lengths) / self.batch_size)
        return min(math.ceil(int(self.lengths.sum()) / self.tokens_per_batch), len(self.lengths))

    def epoch(self, epoch: int) -> list[Indices]:
        """Return the batches of an epoch in order; each example is in exactly one."""
        generator = np.random.default_rng((self.seed, epoch))
        order = generator.permutation(len(self.lengths))
        if self.group_by_length:
            order = self._sort_pools(order)
        batches = np.split(order, self._cuts(order))
        if self.group_by_length:
            batches = [batches[index] for index in generator.permutation(len(batches))]
        return batches

    def _sort_pools(self, order: Indices) -> Indices:
        """Sort by length within each pool; examples of one length stay in random order."""
        examples = math.ceil(len(order) / len(self))  # in a batch, on average
        pool = np.arange(len(order)) // (examples * _POOL)
        return order[np.lexsort((self.lengths[order], pool))]

    def _cuts(self, order: Indices) -> Indices:
        """Return the positions in the order at which each batch but the first begins."""
        if self.tokens_per_batch is None:
            return np.arange(self.batch_size, len(order), self.batch_size)
        count, ends = len(self), np.cumsum(self.lengths[order])
        number = np.arange(1, count)
        cuts: Indices = np.searchsorted(ends - self.lengths[order], number * (ends[-1] / count))
        # An example longer than a batch would leave those after it empty: they take one example each.
        cuts = np.maximum.accumulate(cuts - number) + number
        latest: Indices = len(order) - count + number
        return np.minimum(cuts, latest)


@dataclass(frozen=True)
class StepBatches:
    """The batches of one optimizer step.

    Args:
        local: Batches that this process computes; each process computes the same number.
        dummies: How many of `local`, at the end, only keep the processes in step; their weight is 0.
        all: Indices of the examples of the step over all processes, by which its loss is averaged.
    """

    local: tuple[Indices, ...]
    dummies: int
    all: Indices


def step_batches(batches: Sequence[Indices], accumulation: int, processes: int, rank: int) -> Iterator[StepBatches]:
    """Group an epoch's batches into optimizer steps and give each process its share.

    The last step takes what is left. Where that does not share out evenly, a process computes a batch of it a second
    time, at weight 0, because all processes must take part in each exchange of gradients.
    """
    for start in range(0, len(batches), accumulation * processes):
        window = tuple(batches[start : start + accumulation * processes])
        mine = window[rank::processes]
        spare = -(-len(window) // processes) - len(mine)
        yield StepBatches(mine + window[:1] * spare, spare, np.concatenate(window))


@dataclass(frozen=True)
class BatchLimits:
    """The most that a batch may hold; an example that exceeds them alone has a batch of its own.

    Args:
        examples: Examples.
        tokens: Tokens, without padding.
    """

    examples: int | None = None
    tokens: int | None = None


def shards(lengths: Indices, limits: BatchLimits, processes: int, rank: int) -> list[Indices]:
    """Return batches of similar length for evaluation, the longest first; each example is on exactly one process.

    Longest first, so that memory that does not suffice is found out at once and the time left is not underestimated.
    Each batch goes to the process that has the fewest tokens so far.
    """
    mine: list[Indices] = []
    tokens = [0] * processes
    for batch in _fill(np.argsort(-lengths, kind="stable"), lengths, limits):
        process = tokens.index(min(tokens))
        tokens[process] += int(lengths[batch].sum())
        if process == rank:
            mine.append(batch)
    return mine


def _fill(order: Indices, lengths: Indices, limits: BatchLimits) -> Iterator[Indices]:
    """Cut the order into batches as large as the limits allow."""
    ends = np.cumsum(lengths[order])
    start = 0
    while start < len(order):
        end = len(order) if limits.examples is None else start + limits.examples
        if limits.tokens is not None:
            before = ends[start] - lengths[order[start]]
            end = min(end, int(np.searchsorted(ends, before + limits.tokens, side="right")))
        end = max(end, start + 1)
        yield order[start:end]
        start = end
