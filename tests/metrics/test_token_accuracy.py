import numpy as np
import pytest

from finetune.errors import UserError
from finetune.metrics import score

NAMES = ["token_accuracy"]


def test_is_a_quotient_of_counts_without_ignored_positions() -> None:
    predictions = [[5, 6, 7, 1], [9, 9, 1, 4]]
    references = [[5, 6, 8, 1], [9, 1, -100, -100]]
    scores = score(NAMES, predictions, references)
    assert scores.values == {"token_accuracy": 4 / 6}
    assert scores.details == {"token_accuracy": {"correct": 4, "total": 6}}


def test_is_not_a_mean_of_means() -> None:
    long, short = [1] * 9, [1]
    scores = score(NAMES, [long, [2]], [long, short])
    assert scores.values == {"token_accuracy": 9 / 10}


def test_padding_changes_nothing() -> None:
    padded = score(NAMES, [[3, 4, 0, 0]], [[3, 5, -100, -100]])
    assert padded == score(NAMES, [[3, 4]], [[3, 5]])


def test_takes_numpy_rows() -> None:
    assert score(NAMES, [np.array([1, 2])], [np.array([1, 3])]).values == {"token_accuracy": 1 / 2}


def test_only_ignored_positions() -> None:
    with pytest.raises(UserError, match="at least one token"):
        score(NAMES, [[1]], [[-100]])


def test_takes_no_texts() -> None:
    with pytest.raises(UserError, match="a whole number"):
        score(NAMES, [["a"]], [["a"]])
