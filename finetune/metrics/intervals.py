"""Confidence intervals of scores: what the scores could have been on other examples of the same kind.

The intervals are those of the bootstrap, bias-corrected and accelerated (BCa; Efron, JASA 1987): test examples are
drawn again with replacement, and the interval is read from the distribution of the scores. The share of examples that
are right is a proportion, whose interval is Wilson's (JASA 1927), by SciPy. Where examples belong together, as the
sentences of a document do, groups are drawn instead of examples.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finetune.metrics.loading import load_metric
from finetune.metrics.resampling import Floats64, ResampledMetric, Resampler, shares
from finetune.metrics.scores import DEFAULT_OPTIONS, Interval, MetricOptions

LEVEL = 0.95
"""Share of test sets whose intervals hold the true value."""
RESAMPLES = 2000
SEED = 12345
_LARGEST = 2**22
"""Entries of the matrix of draws that is in memory at a time."""
_MOST_BLOCKS = 512
"""Blocks of units that are left out in turn to estimate the acceleration; where there are few, each is one unit."""


def score_intervals(
    name: str,
    predictions: Sequence[Any],
    references: Sequence[Any],
    *,
    units: Sequence[int | str] | None = None,
    options: MetricOptions = DEFAULT_OPTIONS,
) -> dict[str, Interval]:
    """Return the 95% confidence intervals of the values of a metric.

    Args:
        name: The metric.
        predictions: One an example, as for `score`.
        references: As many as predictions, in the same order.
        units: For each example, the unit that is drawn as a whole: its document, its group; None where examples are
            drawn.
        options: What the metric may need to know.

    Returns:
        Intervals by the names of the values. Values are left out whose interval is not defined: those of one unit
        alone, of a metric that cannot be computed on resamples, and those that are the same in all resamples.
    """
    metric = load_metric(name, options)
    if not isinstance(metric, ResampledMetric):
        return {}
    resampler = metric.resampler(predictions, references)
    groups = unit_numbers(range(len(references)) if units is None else units)
    intervals = bootstrap(resampler, groups)
    if units is None and len(groups) > 1:
        whole = resampler(np.ones((1, len(groups))))
        for value in getattr(metric, "proportions", ()):
            intervals[value] = proportion(round(float(whole[value][0]) * len(groups)), len(groups))
    return intervals


def quotient_interval(
    numerator: Sequence[float], denominator: Sequence[float], units: Sequence[int | str]
) -> Interval | None:
    """Return the interval of a quotient of two sums over examples, such as the mean loss per target.

    Args:
        numerator: What is summed above, one number an entry.
        denominator: What is summed below, one number an entry.
        units: For each entry, the unit that is drawn as a whole.

    Returns:
        The interval; None where it is not defined.
    """
    sums = [np.array(values, float) for values in (numerator, denominator)]
    return bootstrap(shares("quotient", *sums), unit_numbers(units)).get("quotient")


def unit_numbers(units: Sequence[int | str]) -> NDArray[np.intp]:
    """Return for each example the number of its unit, counted from 0 without gaps, [examples]."""
    return np.unique(np.asarray(units), return_inverse=True)[1].astype(np.intp)


def proportion(successes: int, trials: int) -> Interval:
    """Return Wilson's interval of a proportion."""
    from scipy.stats import binomtest  # SciPy takes half a second to import

    found = binomtest(successes, trials).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high))


def bootstrap(resampler: Resampler, units: NDArray[np.intp], resamples: int = RESAMPLES) -> dict[str, Interval]:
    """Return the BCa bootstrap intervals of the values of a resampler.

    Args:
        resampler: The metric on resamples.
        units: For each example the unit that it belongs to, [examples], numbered from 0 without gaps.
        resamples: How many resamples are drawn.

    Returns:
        Intervals by name, without those of values that are the same in all resamples; none for a single unit.
    """
    if units.max() == 0:
        return {}
    whole = resampler(np.ones((1, len(units))))
    drawn = _in_chunks(resampler, _draws(units, resamples))
    left_out = _in_chunks(resampler, _leave_out(units))
    found = {name: _bca(float(value[0]), drawn[name], left_out[name]) for name, value in whole.items()}
    return {name: interval for name, interval in found.items() if interval is not None}


def _in_chunks(resampler: Resampler, weights: Iterator[Floats64]) -> dict[str, Floats64]:
    chunks = [resampler(chunk) for chunk in weights]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}


def chunks(rows: int, width: int) -> Iterator[int]:
    """Return the numbers of rows of the parts of a matrix, each of which is small enough for the memory."""
    size = max(1, _LARGEST // width)
    yield from (min(size, rows - first) for first in range(0, rows, size))


def _draws(units: NDArray[np.intp], resamples: int) -> Iterator[Floats64]:
    """Return how often each example is drawn, [resamples in a chunk, examples]."""
    generator = np.random.default_rng(SEED)
    count = int(units.max()) + 1
    for rows in chunks(resamples, len(units)):
        drawn = generator.integers(count, size=(rows, count))  # [resamples, units]
        flat = (drawn + count * np.arange(rows)[:, None]).ravel()
        counts = np.bincount(flat, minlength=rows * count).reshape(rows, count)
        yield counts[:, units].astype(np.float64)


def _leave_out(units: NDArray[np.intp]) -> Iterator[Floats64]:
    """Return weights without one block of units after the other, [blocks in a chunk, examples]."""
    count = int(units.max()) + 1
    blocks = (units * min(count, _MOST_BLOCKS)) // count  # [examples]
    last = int(blocks.max()) + 1
    first = 0
    for rows in chunks(last, len(units)):
        numbers = np.arange(first, first := first + rows)
        yield (blocks[None, :] != numbers[:, None]).astype(np.float64)


def _bca(value: float, drawn: Floats64, left_out: Floats64) -> Interval | None:
    """Return the bias-corrected and accelerated interval; None where all resamples give the same value.

    Args:
        value: The value on all examples.
        drawn: The values on the resamples, [resamples].
        left_out: The values without each block, [blocks].
    """
    from scipy.stats import norm

    if np.ptp(drawn) == 0 or not np.isfinite(drawn).all():
        return None
    below = (np.mean(drawn < value) + np.mean(drawn <= value)) / 2  # ties count half, as in SciPy
    bias = norm.ppf(np.clip(below, 1 / len(drawn), 1 - 1 / len(drawn)))
    influence = left_out.mean() - left_out  # [blocks]
    spread = (influence**2).sum() ** 1.5
    acceleration = (influence**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = bias + norm.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    low, high = np.quantile(drawn, norm.cdf(bias + z / (1 - acceleration * z)))
    return Interval(float(low), float(high))
