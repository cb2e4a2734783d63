"""Pearson's correlation: 1 on a rising line, -1 on a falling one, whatever the scale."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.metrics import greater_is_better, score

NUMBERS = st.lists(st.integers(-1000, 1000), min_size=3, max_size=30).filter(lambda values: len(set(values)) > 1)


def pearsonr(predictions: list[float], references: list[float]) -> float:
    return score(["pearsonr"], predictions, references).values["pearsonr"]


@given(NUMBERS, st.floats(0.1, 100), st.floats(-100, 100))
def test_a_line_has_a_correlation_of_one_whatever_its_slope(values: list[int], slope: float, start: float) -> None:
    references = [float(value) for value in values]
    assert pearsonr([slope * value + start for value in values], references) == pytest.approx(1, abs=1e-6)
    assert pearsonr([-slope * value + start for value in values], references) == pytest.approx(-1, abs=1e-6)


def test_it_is_the_normalized_covariance() -> None:
    first, second = [1.0, 2.0, 4.0], [1.0, 3.0, 9.0]
    assert pearsonr(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1])
    assert 0.9 < pearsonr(first, second) < 1


@pytest.mark.parametrize(
    ("predictions", "references"), [([2.0, 2.0], [1.0, 3.0]), ([1.0, 3.0], [2.0, 2.0]), ([1.0], [3.0])]
)
def test_a_constant_correlates_with_nothing_and_quietly(predictions: list[float], references: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pearsonr(predictions, references) == 0


def test_the_greater_correlation_is_the_better() -> None:
    assert greater_is_better("pearsonr") is True
