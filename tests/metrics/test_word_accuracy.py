import pytest

from finetune.errors import UserError
from finetune.metrics import score

NAMES = ["word_accuracy"]


def test_counts_words_and_not_examples() -> None:
    predictions = [["street", "city", "city", "zip"], ["zip"], []]
    references = [["street", "city", "zip", "zip"], ["city"], []]
    assert score(NAMES, predictions, references).values == {"word_accuracy": 3 / 5}


def test_lengths_differ() -> None:
    with pytest.raises(ValueError, match="example 1: prediction of length 1, reference of 2"):
        score(NAMES, [["a"], ["a"]], [["a"], ["a", "b"]])


def test_no_word_at_all() -> None:
    with pytest.raises(UserError, match="at least one word"):
        score(NAMES, [[]], [[]])


def test_labels_that_are_not_in_lists() -> None:
    with pytest.raises(UserError, match="'street'"):
        score(NAMES, ["street"], ["street"])
