"""Spearman's correlation: of the order alone, in which equal values share a rank."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.metrics import greater_is_better, score

NUMBERS = st.lists(st.integers(-50, 50), min_size=3, max_size=30).filter(lambda values: len(set(values)) > 1)


def spearmanr(predictions: list[float], references: list[float]) -> float:
    return score(["spearmanr"], predictions, references).values["spearmanr"]


@given(NUMBERS)
def test_any_function_that_rises_keeps_the_order(values: list[int]) -> None:
    references = [float(value) for value in values]
    assert spearmanr([math.exp(value / 10) for value in values], references) == pytest.approx(1)
    assert spearmanr([-(value**3) for value in references], references) == pytest.approx(-1)


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    ranks = np.corrcoef([1, 2.5, 2.5, 4], [1, 2, 3, 4])[0, 1]
    assert spearmanr([1.0, 5.0, 5.0, 9.0], [1.0, 2.0, 3.0, 4.0]) == pytest.approx(ranks)
    assert ranks < 1


@pytest.mark.parametrize(
    ("predictions", "references"), [([2.0, 2.0], [1.0, 3.0]), ([1.0, 3.0], [2.0, 2.0]), ([1.0], [3.0])]
)
def test_a_constant_correlates_with_nothing_and_quietly(predictions: list[float], references: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spearmanr(predictions, references) == 0


def test_the_greater_correlation_is_the_better() -> None:
    assert greater_is_better("spearmanr") is True
