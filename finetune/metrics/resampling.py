"""Values of a metric on resampled examples.

A bootstrap draws the examples of a split again, with replacement, thousands of times. Most metrics follow from sums
over examples (of right answers, of n-grams, of entities). These are counted once for each example, and the sums of all
resamples are one matrix product.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats64: TypeAlias = NDArray[np.float64]
Values: TypeAlias = Mapping[str, Floats64]
"""Values of a metric by name, each [resamples]."""
Resampler: TypeAlias = Callable[[Floats64], Values]
"""From how often each example is drawn in each resample, [resamples, examples], to the values of the metric."""


@runtime_checkable
class ResampledMetric(Protocol):
    """A metric whose values can be computed on many resamples at once."""

    def resampler(self, predictions: Sequence[Any], references: Sequence[Any]) -> Resampler:
        """Return the function from resamples to values; of one resample with every example once, the scores."""


def from_sums(statistics: Floats64, values: Callable[[Floats64], Values]) -> Resampler:
    """Return the resampler of a metric that follows from sums over examples.

    Args:
        statistics: The statistics of each example, [examples, statistics].
        values: A function from sums of the statistics, [resamples, statistics], to values by name.
    """
    return lambda weights: values(weights @ statistics)


def shares(name: str, numerator: Floats64, denominator: Floats64) -> Resampler:
    """Return the resampler of a quotient of two sums over examples, such as words that are right and words."""
    return from_sums(np.stack([numerator, denominator], axis=1), lambda sums: {name: divided(sums[:, 0], sums[:, 1])})


def divided(numerator: Floats64, denominator: Floats64, where_zero: float = 0.0) -> Floats64:
    """Return quotients, and another value where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, where_zero), where=denominator != 0)


def class_counts(predictions: Sequence[str], references: Sequence[str], classes: Sequence[str]) -> Floats64:
    """Return for each example and class whether it is rightly predicted, predicted, and the reference.

    Returns:
        [examples, 3 * classes], whose columns are those of the right predictions, of the predictions, and of the
        references, each in the order of the classes.
    """
    number = {name: position for position, name in enumerate(classes)}
    predicted = np.array([number[name] for name in predictions])
    expected = np.array([number[name] for name in references])
    one_hot = np.eye(len(classes))
    return np.hstack([one_hot[expected] * (predicted == expected)[:, None], one_hot[predicted], one_hot[expected]])
