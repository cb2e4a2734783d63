"""Intervals hold the true value as often as they say, and are those of SciPy where SciPy has them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap as scipy_bootstrap

from finetune.metrics import score
from finetune.metrics.intervals import bootstrap, proportion, score_intervals
from finetune.metrics.resampling import shares

Examples = tuple[list[Any], list[Any]]


def test_the_mean_of_skewed_numbers_has_the_interval_of_scipy() -> None:
    numbers = np.random.default_rng(0).exponential(size=80)
    found = bootstrap(shares("mean", numbers, np.ones(80)), np.arange(80), resamples=20_000)["mean"]
    known = scipy_bootstrap((numbers,), np.mean, n_resamples=20_000, method="BCa", rng=1).confidence_interval
    assert (found.low, found.high) == pytest.approx((known.low, known.high), rel=0.01)


def test_many_examples_are_drawn_in_chunks_and_left_out_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = np.random.default_rng(0).exponential(size=3000)
    resampler = shares("mean", numbers, np.ones(3000))
    whole = bootstrap(resampler, np.arange(3000))["mean"]
    monkeypatch.setattr("finetune.metrics.intervals._LARGEST", 3000 * 7)
    chunked = bootstrap(resampler, np.arange(3000))["mean"]
    assert (chunked.low, chunked.high) == pytest.approx((whole.low, whole.high), rel=1e-3)
    known = scipy_bootstrap((numbers,), np.mean, n_resamples=2000, method="BCa", rng=1, batch=50).confidence_interval
    assert (whole.low, whole.high) == pytest.approx((known.low, known.high), rel=0.01)


def test_the_same_examples_have_the_same_interval() -> None:
    predictions, references = ["a", "b"] * 20, ["a", "b", "b", "b"] * 10
    first = score_intervals("precision_recall_f1", predictions, references)
    assert first == score_intervals("precision_recall_f1", predictions, references)
    values = score(["precision_recall_f1"], predictions, references).values
    assert first.keys() == values.keys()
    assert all(interval.low < values[name] < interval.high for name, interval in first.items())


def test_accuracy_has_the_interval_of_a_proportion() -> None:
    found = score_intervals("accuracy", ["a"] * 10, ["a"] * 10)["accuracy"]
    assert (found.low, found.high) == pytest.approx((0.7225, 1.0), abs=1e-3)
    assert found == proportion(10, 10)


def test_groups_are_drawn_as_a_whole() -> None:
    """Examples that are the same within a group say no more than one of them."""
    correct = np.random.default_rng(3).random(60) < 0.7
    predictions, references = ["a" if one else "b" for one in correct], ["a"] * 60
    alone = score_intervals("precision_recall_f1", predictions, references)["recall"]
    tenfold = score_intervals("precision_recall_f1", predictions * 10, references * 10, units=[*range(60)] * 10)[
        "recall"
    ]
    assert (tenfold.low, tenfold.high) == pytest.approx((alone.low, alone.high))
    independent = score_intervals("precision_recall_f1", predictions * 10, references * 10)["recall"]
    assert independent.high - independent.low < 0.5 * (alone.high - alone.low)


def test_accuracy_of_groups_is_drawn_by_groups() -> None:
    correct = np.random.default_rng(3).random(60) < 0.7
    predictions = ["a" if one else "b" for one in correct] * 10
    grouped = score_intervals("accuracy", predictions, ["a"] * 600, units=[*range(60)] * 10)["accuracy"]
    alone = score_intervals("accuracy", predictions, ["a"] * 600)["accuracy"]
    assert grouped.high - grouped.low > 2.5 * (alone.high - alone.low)


@pytest.mark.parametrize(("units", "count"), [(None, 1), ([7, 7, 7], 3)], ids=["one example", "one group"])
def test_one_unit_has_no_interval(units: list[int] | None, count: int) -> None:
    assert score_intervals("accuracy", ["a"] * count, ["a"] * count, units=units) == {}


def test_a_value_that_never_changes_has_no_interval() -> None:
    assert "f1" not in score_intervals("precision_recall_f1", ["a"] * 9, ["a"] * 9)


SETS = 300


def coverage(name: str, value: str, truth: float, draw: Callable[[np.random.Generator], Examples]) -> float:
    """Return the share of test sets whose interval holds the true value."""
    generator = np.random.default_rng(5)
    found = [score_intervals(name, *draw(generator)).get(value) for _ in range(SETS)]
    intervals = [interval for interval in found if interval is not None]
    assert len(intervals) == SETS
    return sum(interval.low <= truth <= interval.high for interval in intervals) / SETS


def population(name: str, value: str, examples: Examples) -> tuple[float, Callable[[np.random.Generator], Examples]]:
    """Return the true value over all examples, and a function that draws a test set of 250 of them."""
    count = len(examples[0])

    def draw(generator: np.random.Generator) -> Examples:
        chosen = generator.integers(count, size=250)
        return [examples[0][one] for one in chosen], [examples[1][one] for one in chosen]

    return score([name], *examples).values[value], draw


def classes(generator: np.random.Generator) -> Examples:
    """Return predictions of four classes of different sizes, of which a part is wrong."""
    names = np.array(["a", "b", "c", "d"])
    expected = generator.choice(names, size=20_000, p=[0.4, 0.3, 0.2, 0.1])
    guessed = generator.choice(names, size=20_000)
    return np.where(generator.random(20_000) < 0.25, guessed, expected).tolist(), expected.tolist()


def entities(generator: np.random.Generator) -> Examples:
    """Return sentences of eight words with entities of one word, some of which are missed and some invented."""
    expected = generator.random((10_000, 8)) < 0.2 * generator.random((10_000, 1)) * 2
    changed = generator.random((10_000, 8)) < 0.08
    labels = np.array(["O", "B-PER"])
    return labels[(expected ^ changed).astype(int)].tolist(), labels[expected.astype(int)].tolist()


def translations(generator: np.random.Generator) -> Examples:
    """Return sentences of 8 to 20 words, of which some words are replaced, more in some sentences than in others."""
    words = np.array([f"word{number}" for number in range(200)])
    expected, predicted = [], []
    for length, share in zip(generator.integers(8, 21, size=3000), generator.random(3000) * 0.5, strict=True):
        sentence = generator.choice(words, size=length)
        other = np.where(generator.random(length) < share, generator.choice(words, size=length), sentence)
        expected.append(" ".join(sentence))
        predicted.append(" ".join(other))
    return predicted, expected


CASES: Sequence[tuple[str, str, Callable[[np.random.Generator], Examples]]] = [
    ("accuracy", "accuracy", classes),
    ("precision_recall_f1", "f1", classes),
    ("seqeval", "f1", entities),
    ("sacrebleu", "bleu", translations),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value", "make"), CASES, ids=["accuracy", "macro F1", "entity F1", "BLEU"])
def test_intervals_hold_the_true_value_at_the_stated_rate(name: str, value: str, make: Any) -> None:
    share = coverage(name, value, *population(name, value, make(np.random.default_rng(4))))
    # Of 300 sets, 95% are held; two standard errors of that share are 2.5%.
    assert 0.92 <= share <= 0.98


def test_the_interval_of_a_proportion_is_symmetric_in_success_and_failure() -> None:
    right, wrong = proportion(3, 10), proportion(7, 10)
    assert (right.low, right.high) == pytest.approx((1 - wrong.high, 1 - wrong.low))
