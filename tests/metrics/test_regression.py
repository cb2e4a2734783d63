import warnings

import pytest

from finetune.metrics import greater_is_better, score

CORRELATIONS = ["pearsonr", "spearmanr"]


def test_by_hand() -> None:
    found = score(["mse", *CORRELATIONS], [1.0, 2.0, 4.0], [1.0, 3.0, 9.0]).values
    assert found["mse"] == pytest.approx((0 + 1 + 25) / 3)
    assert found["spearmanr"] == pytest.approx(1.0)
    assert 0.9 < found["pearsonr"] < 1.0


@pytest.mark.parametrize("name", CORRELATIONS)
def test_a_constant_correlates_with_nothing_and_quietly(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score([name], [2.0, 2.0], [1.0, 3.0]).values == {name: 0.0}
        assert score([name], [1.0], [3.0]).values == {name: 0.0}


def test_the_lower_error_is_the_better() -> None:
    assert greater_is_better("mse") is False
    assert all(map(greater_is_better, CORRELATIONS))
