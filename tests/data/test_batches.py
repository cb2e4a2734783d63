"""Batch plans: every example once, the same for all, shared out evenly."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.batches import BatchLimits, BatchPlan, shards, step_batches

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=300).map(lambda x: np.array(x, dtype=np.int64))


def plans(lengths: np.ndarray, tokens: int | None, group: bool, seed: int = 0) -> BatchPlan:
    return BatchPlan(lengths, batch_size=7, tokens_per_batch=tokens, group_by_length=group, seed=seed)


@given(LENGTHS, st.sampled_from([None, 1, 50, 500]), st.booleans(), st.integers(0, 5))
def test_an_epoch_holds_every_example_once(lengths: np.ndarray, tokens: int | None, group: bool, epoch: int) -> None:
    plan = plans(lengths, tokens, group)
    batches = plan.epoch(epoch)
    assert sorted(np.concatenate(batches)) == list(range(len(lengths)))
    assert all(len(batch) for batch in batches)
    assert len(batches) == len(plan)


@given(LENGTHS, st.booleans())
def test_batches_by_tokens_hold_about_that_many(lengths: np.ndarray, group: bool) -> None:
    batches = plans(lengths, 100, group).epoch(0)
    assert all(lengths[batch].sum() < 100 + lengths.max() for batch in batches)
    assert lengths.sum() <= 100 * len(batches) or len(batches) == len(lengths)


def test_batches_by_tokens_are_alike_where_no_example_is_longer_than_one() -> None:
    lengths = np.random.default_rng(0).integers(1, 40, 5000)
    tokens = np.array([lengths[batch].sum() for batch in plans(lengths, 1000, False).epoch(0)])
    assert np.ptp(tokens) < 2 * lengths.max()


def test_which_examples_share_a_batch_by_tokens_is_left_to_chance() -> None:
    """Long examples meet long ones as often as anyone: lengths within a batch do not go together."""
    lengths = np.random.default_rng(0).choice([1, 40], 5000)
    batches = [batch for epoch in range(20) for batch in plans(lengths, 1000, False).epoch(epoch)]
    long = np.array([(lengths[batch] == 40).mean() for batch in batches])
    sizes = np.array([len(batch) for batch in batches])
    share = (lengths == 40).mean()
    expected = np.sqrt(share * (1 - share) / sizes.mean())  # of as many draws of a coin
    assert abs(long.mean() - share) < 0.1 * share
    assert long.std() < 1.5 * expected


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    lengths = np.arange(1, 200)

    def order(seed: int, epoch: int) -> list[int]:
        return [int(index) for batch in plans(lengths, None, False, seed).epoch(epoch) for index in batch]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_grouping_makes_lengths_alike_and_keeps_batches_in_random_order() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 600)
    spread = {
        group: np.mean([np.ptp(lengths[batch]) for batch in plans(lengths, None, group).epoch(0)])
        for group in (False, True)
    }
    assert spread[True] < spread[False] / 10
    means = [lengths[batch].mean() for batch in plans(lengths, None, True).epoch(0)]
    assert means != sorted(means)


@given(LENGTHS, st.integers(1, 4), st.integers(1, 4))
def test_processes_share_each_step_and_stay_in_step(lengths: np.ndarray, accumulation: int, processes: int) -> None:
    batches = plans(lengths, None, False).epoch(0)
    shares = [list(step_batches(batches, accumulation, processes, rank)) for rank in range(processes)]
    for step in zip(*shares, strict=True):
        assert len({len(window.local) for window in step}) == 1
        weighed = [batch for window in step for batch in window.local[: len(window.local) - window.dummies]]
        assert sorted(np.concatenate(weighed)) == sorted(step[0].all)
    everyone = np.concatenate([window.all for window in shares[0]])
    assert sorted(everyone) == list(range(len(lengths)))


LIMITS = st.sampled_from([BatchLimits(examples=8), BatchLimits(tokens=100), BatchLimits(examples=8, tokens=300)])


@given(LENGTHS, LIMITS, st.integers(1, 4))
def test_evaluation_reads_every_example_on_exactly_one_process(
    lengths: np.ndarray, limits: BatchLimits, processes: int
) -> None:
    parts = [batch for rank in range(processes) for batch in shards(lengths, limits, processes, rank)]
    assert sorted(np.concatenate(parts)) == list(range(len(lengths)))


@given(LENGTHS, LIMITS, st.integers(1, 4))
def test_evaluation_keeps_to_its_limits_with_the_longest_first(
    lengths: np.ndarray, limits: BatchLimits, processes: int
) -> None:
    for rank in range(processes):
        batches = shards(lengths, limits, processes, rank)
        for batch in batches:
            assert limits.examples is None or len(batch) <= limits.examples
            assert limits.tokens is None or lengths[batch].sum() <= limits.tokens or len(batch) == 1
        in_order = [int(lengths[index]) for batch in batches for index in batch]
        assert in_order == sorted(in_order, reverse=True)


@given(LENGTHS, LIMITS, st.integers(2, 4))
def test_evaluation_gives_each_process_as_much_work(lengths: np.ndarray, limits: BatchLimits, processes: int) -> None:
    shares = [shards(lengths, limits, processes, rank) for rank in range(processes)]
    work = [sum(int(lengths[batch].sum()) for batch in batches) for batches in shares]
    largest = max(int(lengths[batch].sum()) for batches in shares for batch in batches)
    assert max(work) - min(work) <= largest
