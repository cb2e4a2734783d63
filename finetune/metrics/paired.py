"""Whether the scores of two models on the same examples differ by more than chance.

- Accuracy of single examples: McNemar's test in its exact form, the binomial test on the examples that one model alone
  has right (SciPy).
- Every other score: approximate randomization (Noreen, 1989). If the models were equally good, it would not matter
  whose prediction is whose: the predictions of each example are exchanged by chance, thousands of times, and the
  p-value is the share of trials whose difference is at least as large as the one that was found. sacreBLEU's own test
  is the same.

The interval of a difference is that of the bootstrap, in which both models are scored on the same resamples.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from finetune.metrics.intervals import SEED, bootstrap, chunks, unit_numbers
from finetune.metrics.loading import load_metric
from finetune.metrics.resampling import Floats64, ResampledMetric, Resampler, Values
from finetune.metrics.scores import DEFAULT_OPTIONS, Interval, MetricOptions

TRIALS = 5000
"""How often predictions are exchanged."""

TestName = Literal["exact McNemar", "approximate randomization"]


@dataclass(frozen=True)
class PairedDifference:
    """How a score of a second model differs from that of a first.

    Args:
        first: The score of the first model.
        second: The score of the second model.
        interval: 95% confidence interval of second - first; None where every resample has the same difference.
        p_value: How probable a difference at least as large is, in either direction, if the models are equally good.
        test: The test that the p-value is of.
    """

    first: float
    second: float
    interval: Interval | None
    p_value: float
    test: TestName

    @property
    def value(self) -> float:
        """The score of the second model less that of the first."""
        return self.second - self.first


def paired_differences(
    name: str,
    first: Sequence[Any],
    second: Sequence[Any],
    references: Sequence[Any],
    *,
    units: Sequence[int | str] | None = None,
    options: MetricOptions = DEFAULT_OPTIONS,
) -> dict[str, PairedDifference]:
    """Return how the values of a metric differ between two models.

    Args:
        name: The metric.
        first: The predictions of the first model, one an example.
        second: Those of the second model for the same examples.
        references: The references of the examples.
        units: For each example, the unit that is drawn and exchanged as a whole; None where examples are.
        options: What the metric may need to know.

    Returns:
        Differences by the names of the values; empty for a metric that cannot be computed on resamples, and where there
        is a single unit.
    """
    metric = load_metric(name, options)
    numbers = unit_numbers(range(len(references)) if units is None else units)
    if not isinstance(metric, ResampledMetric) or numbers.max() == 0:
        return {}
    both = metric.resampler([*first, *second], [*references, *references])
    scores = both(np.repeat(np.eye(2), len(references), axis=1))  # [2, 2 * examples]: one model, then the other
    intervals = bootstrap(_difference(both), numbers)
    p_values = _randomized(both, numbers, {name: value[1] - value[0] for name, value in scores.items()})
    found = {
        value: PairedDifference(
            float(one[0]), float(one[1]), intervals.get(value), p_values[value], "approximate randomization"
        )
        for value, one in scores.items()
    }
    return found | ({} if units else _proportions(metric, first, second, references, found))


def _difference(both: Resampler) -> Resampler:
    """Return the difference between two models on the same resamples, from the metric on the predictions of both."""

    def values(weights: Floats64) -> Values:
        absent = np.zeros_like(weights)
        first, second = both(np.hstack([weights, absent])), both(np.hstack([absent, weights]))
        return {name: second[name] - first[name] for name in first}

    return values


def _randomized(both: Resampler, units: NDArray[np.intp], found: dict[str, float]) -> dict[str, float]:
    """Return the p-values of approximate randomization, of which 1 / (trials + 1) is the smallest."""
    generator = np.random.default_rng(SEED)
    reached = dict.fromkeys(found, 0)
    for rows in chunks(TRIALS, 2 * len(units)):
        exchanged = generator.integers(2, size=(rows, int(units.max()) + 1))[:, units].astype(float)  # [rows, examples]
        kept = 1 - exchanged
        first, second = both(np.hstack([kept, exchanged])), both(np.hstack([exchanged, kept]))
        for name, difference in found.items():
            # Rounding must not make a difference that is as large into a smaller one.
            reached[name] += int((abs(second[name] - first[name]) >= abs(difference) - 1e-9).sum())
    return {name: (count + 1) / (TRIALS + 1) for name, count in reached.items()}


def _proportions(
    metric: ResampledMetric,
    first: Sequence[Any],
    second: Sequence[Any],
    references: Sequence[Any],
    found: dict[str, PairedDifference],
) -> dict[str, PairedDifference]:
    """Return the differences of shares of examples that are right, with their exact test."""
    names: tuple[str, ...] = getattr(metric, "proportions", ())
    if not names:
        return {}
    is_right: Callable[[Any, Any], bool] = getattr(metric, "is_right", lambda one, other: bool(one == other))
    right = [[is_right(one, other) for one, other in zip(given, references, strict=True)] for given in (first, second)]
    p_value = mcnemar(*map(np.array, right))
    return {
        name: PairedDifference(one.first, one.second, one.interval, p_value, "exact McNemar")
        for name in names
        if (one := found.get(name)) is not None
    }


def mcnemar(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """Return the p-value of McNemar's test in its exact form (McNemar, 1947).

    Args:
        first: Which examples the first model has right, [examples].
        second: Which examples the second model has right, [examples].
    """
    from scipy.stats import binomtest  # SciPy takes half a second to import

    lost, won = int((first & ~second).sum()), int((second & ~first).sum())
    return float(binomtest(won, won + lost).pvalue) if won + lost else 1.0


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that are corrected for their number (Holm, 1979): some test errs with the stated rate at most."""
    order = np.argsort(p_values)
    count = len(p_values)
    raised = np.maximum.accumulate([(count - rank) * p_values[index] for rank, index in enumerate(order)])
    corrected = np.empty(count)
    corrected[order] = np.minimum(raised, 1.0)
    return corrected.tolist()
