"""Which keys the queries of a block can reach, found from a mask's bounds without looking at the whole square."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from finetune.attention.planning.view import Booleans, Integers, View

KEY_BLOCK = 64
"""Keys that are first asked about together."""
SAMPLED_KEYS = 128
"""Keys that tell whether a query reaches far."""


@dataclass(frozen=True, eq=False)
class QueryBlocks:
    """Queries of one example each, that are computed together.

    Args:
        examples: int64 [blocks].
        positions: int64 [blocks, size], positions in the example, ascending; -1 at padding, which comes last.
    """

    examples: Integers
    positions: Integers

    @property
    def counts(self) -> Integers:
        """Queries of each block."""
        counts: Integers = (self.positions >= 0).sum(1)
        return counts

    def slice(self, start: int, stop: int) -> QueryBlocks:
        """Neighbouring blocks."""
        return QueryBlocks(self.examples[start:stop], self.positions[start:stop])

    def some(self, number: int) -> QueryBlocks:
        """About this many of the blocks, evenly chosen."""
        chosen = np.unique(np.linspace(0, len(self.examples) - 1, number).astype(np.int64))
        return QueryBlocks(self.examples[chosen], self.positions[chosen]) if len(self.examples) > number else self


@dataclass(frozen=True, eq=False)
class Reach:
    """Keys that blocks can reach, one entry for each block and key, ascending by block and then by key.

    Args:
        blocks: int64 [entries].
        keys: int64 [entries], positions in the block's example.
        certain: bool [entries], whether every query of the block may attend to the key.
    """

    blocks: Integers
    keys: Integers
    certain: Booleans


def cut(sizes: Integers, size: int, step: int = 1) -> QueryBlocks:
    """Blocks of `size` queries, each `step` after the one before it; the last of an example may be smaller."""
    examples = np.repeat(np.arange(len(sizes)), step)
    residues = np.tile(np.arange(step), len(sizes))
    members = np.maximum(0, -(-(sizes[examples] - residues) // step))  # queries of each residue of each example
    blocks = -(-members // size)
    source = np.repeat(np.arange(len(examples)), blocks)
    number = np.arange(len(source)) - np.repeat(np.cumsum(blocks) - blocks, blocks)
    index = number[:, None] * size + np.arange(size)
    positions = residues[source][:, None] + step * index
    return QueryBlocks(examples[source], np.where(index < members[source][:, None], positions, -1))


def far_reaching(view: View) -> Booleans:
    """Which queries of the stream can reach many more keys than their neighbours: bool [queries].

    Global tokens are such; computed together with their neighbours they would make those see everything. What is not
    found costs time, nothing else.
    """
    found = np.zeros(view.queries.total, dtype=bool)
    blocks = cut(view.query_sizes, KEY_BLOCK)
    run, _, _ = _possible_blocks(view, blocks.examples, blocks.positions[:, 0], blocks.positions.max(1, initial=0))
    reached = np.bincount(run, minlength=len(blocks.examples))
    candidates = np.argsort(-reached, kind="stable")[: np.count_nonzero(reached > 4)]
    # Where no query stands out in a few of them, it is taken that none does: most masks have no global tokens.
    for chosen in (candidates[_spread(len(candidates))], candidates):
        positions, examples = blocks.positions[chosen], blocks.examples[chosen]
        counts = _sampled_keys(view, examples, positions)
        usual = np.where(positions >= 0, counts, SAMPLED_KEYS).min(1, initial=SAMPLED_KEYS)
        standing_out = (counts > 3 * usual[:, None] + SAMPLED_KEYS // 8) & (positions >= 0)
        if not standing_out.any():
            break
        found[(view.query_starts[examples][:, None] + positions)[standing_out]] = True
    return found


def _spread(count: int) -> Integers:
    """The first few of them, and some of the others."""
    others = np.linspace(0, max(count - 1, 0), min(count, 4)).astype(np.int64)
    return np.unique(np.concatenate([np.arange(min(count, 4)), others]))


def _sampled_keys(view: View, examples: Integers, positions: Integers) -> Integers:
    """How many of some keys, drawn by chance, each query may attend to: int64 [blocks, queries]."""
    shares = np.random.default_rng(0).random(SAMPLED_KEYS)
    keys = (view.key_sizes[examples][:, None, None] * shares).astype(np.int64)
    counts: Integers = view.allowed(examples[:, None, None], positions.clip(0)[:, :, None], keys).sum(-1)
    return counts


def near(view: View, blocks: QueryBlocks, far: Booleans) -> QueryBlocks:
    """The blocks without the queries that reach far."""
    if not far.any():
        return blocks
    tokens = view.query_starts[blocks.examples][:, None] + blocks.positions
    remaining = np.where(far[tokens], -1, blocks.positions)
    remaining = np.take_along_axis(remaining, np.argsort(remaining < 0, axis=1, kind="stable"), 1)
    kept = remaining[:, 0] >= 0
    return QueryBlocks(blocks.examples[kept], remaining[kept])


def apart(view: View, blocks: QueryBlocks, far: Booleans) -> QueryBlocks:
    """The blocks without the queries that reach far, followed by blocks of those alone."""
    if not far.any():
        return blocks
    rest = near(view, blocks, far)
    tokens = np.nonzero(far)[0]
    examples = np.searchsorted(view.query_starts, tokens, side="right") - 1
    members = np.bincount(examples, minlength=len(view.query_sizes))
    size = blocks.positions.shape[1]
    numbers = cut(members, size)
    index = (np.cumsum(members) - members)[numbers.examples][:, None] + numbers.positions
    positions = np.where(numbers.positions >= 0, (tokens - view.query_starts[examples])[index.clip(0)], -1)
    return QueryBlocks(np.concatenate([rest.examples, numbers.examples]), np.concatenate([rest.positions, positions]))


def reach(view: View, blocks: QueryBlocks, far: Booleans, step: int) -> Reach:
    """The keys that each block's queries can possibly reach.

    Args:
        view: The mask.
        blocks: Those made by `apart`.
        far: The queries that reach far: what lies between two queries of a block is asked about with them, but not
            such a query.
        step: From each query of a block to the next.
    """
    runs, examples, first, last = _runs(view, blocks, far)
    run, start, stop = _possible_blocks(view, examples, first, last)
    keys = start[:, None] + np.arange(KEY_BLOCK)
    column = (examples[run][:, None], first[run][:, None], last[run][:, None])
    possible, certain = view.bounds(*column, keys, keys, steps=(step, 0))
    chosen = np.nonzero(possible & (keys <= stop[:, None]))
    found = Reach(runs[run[chosen[0]]], keys[chosen], certain[chosen])
    return found if len(runs) == len(blocks.examples) else _merged(found, np.bincount(runs))


def _possible_blocks(
    view: View, examples: Integers, first: Integers, last: Integers
) -> tuple[Integers, Integers, Integers]:
    """Run, first and last key of the blocks of keys that runs of queries can reach."""
    run, number = pairs(-(-view.key_sizes[examples] // KEY_BLOCK))
    start = number * KEY_BLOCK
    stop = np.minimum(start + KEY_BLOCK, view.key_sizes[examples[run]]) - 1
    possible, _ = view.bounds(examples[run], first[run], last[run], start, stop)
    return run[possible], start[possible], stop[possible]


def _runs(view: View, blocks: QueryBlocks, far: Booleans) -> tuple[Integers, Integers, Integers, Integers]:
    """Block, example, first and last query of runs of a block's queries between which no query reaches far."""
    positions = blocks.positions
    real = positions >= 0
    before = np.cumsum(far)[(view.query_starts[blocks.examples][:, None] + positions).clip(0)]
    begins = real.copy()
    begins[:, 1:] &= np.diff(before, axis=1) > 0
    ends = real.copy()
    ends[:, :-1] &= begins[:, 1:] | ~real[:, 1:]
    block = np.nonzero(begins)[0]
    return block, blocks.examples[block], positions[begins], positions[ends]


def pairs(counts: Integers) -> tuple[Integers, Integers]:
    """(0, 0), (0, 1) ... (0, counts[0] - 1), (1, 0) ..."""
    first = np.repeat(np.arange(len(counts)), counts)
    return first, np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)


def _merged(found: Reach, runs: Integers) -> Reach:
    """Entries of several runs of a block as one each; `runs` is how many each block has."""
    width = int(found.keys.max(initial=0)) + 1
    codes, member = np.unique(found.blocks * width + found.keys, return_inverse=True)
    blocks, keys = codes // width, codes % width
    certain = np.bincount(member, weights=found.certain, minlength=len(codes)) == runs[blocks]
    return Reach(blocks, keys, certain)
