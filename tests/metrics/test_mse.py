"""Mean squared error: a mean of squares, which is zero for the references alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.metrics import greater_is_better, score

PAIRS = st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=30)


def mse(predictions: list[float], references: list[float]) -> float:
    return score(["mse"], predictions, references).values["mse"]


def test_by_hand() -> None:
    assert mse([1.0, 2.0, 4.0], [1.0, 3.0, 9.0]) == pytest.approx((0 + 1 + 25) / 3)


@given(PAIRS)
def test_it_is_symmetric_and_zero_for_the_references_alone(pairs: list[tuple[float, float]]) -> None:
    first, second = (list(column) for column in zip(*pairs, strict=True))
    assert mse(first, second) == pytest.approx(mse(second, first))
    assert mse(first, first) == 0
    assert mse(first, second) == pytest.approx(sum((one - other) ** 2 for one, other in pairs) / len(pairs))


def test_whole_numbers_are_numbers() -> None:
    assert mse([1, 2], [2, 4]) == pytest.approx(2.5)


def test_the_lower_error_is_the_better() -> None:
    assert greater_is_better("mse") is False
