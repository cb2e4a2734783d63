import warnings

import pytest

from finetune.metrics import score

NAMES = ["matthews_correlation"]


def test_by_hand() -> None:
    predictions = ["yes", "yes", "yes", "no", "no", "no"]
    references = ["yes", "yes", "no", "no", "no", "yes"]
    # (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)) with TP = TN = 2, FP = FN = 1
    assert score(NAMES, predictions, references).values == pytest.approx({"matthews_correlation": (4 - 1) / 9})


@pytest.mark.parametrize("predictions", [["yes", "yes"], ["no", "no"]])
def test_single_class_is_zero_and_quiet(predictions: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert score(NAMES, predictions, ["yes", "yes"]).values == {"matthews_correlation": 0}


def test_opposite_is_minus_one() -> None:
    assert score(NAMES, ["yes", "no"], ["no", "yes"]).values == pytest.approx({"matthews_correlation": -1})
