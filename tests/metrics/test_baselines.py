import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.metrics.baselines import majority, tfidf_logistic_regression

TEXTS = ["a good film", "good fun", "truly good", "a bad film", "bad and dull", "truly bad"]
LABELS = ["up", "up", "up", "down", "down", "down"]


def test_majority_is_the_commonest_class() -> None:
    assert majority(["a", "b", "b"], test_count=2) == ["b", "b"]


@given(st.permutations(["b", "b", "a", "a", "c"]))
def test_majority_of_a_tie_does_not_depend_on_order(labels: list[str]) -> None:
    assert majority(labels, test_count=1) == ["a"]


def test_learns_words() -> None:
    assert tfidf_logistic_regression(TEXTS, LABELS, ["good film", "bad film"], seed=0) == ["up", "down"]


def test_learns_word_pairs() -> None:
    texts = ["not good but bad", "not bad but good"] * 5
    labels = ["down", "up"] * 5
    assert tfidf_logistic_regression(texts, labels, ["not good", "not bad"], seed=0) == ["down", "up"]


def test_reads_both_texts_of_a_pair() -> None:
    pairs = [("film", text) for text in TEXTS]
    assert tfidf_logistic_regression(pairs, LABELS, [("film", "good"), ("film", "bad")], seed=0) == ["up", "down"]


@pytest.mark.parametrize(
    ("texts", "labels", "test"),
    [
        (["good", "bad"], ["up", "up"], ["bad"]),
        ([":)", ":("], ["up", "up"], ["bad"]),
        ([":)", ":(", "?"], ["up", "down", "up"], ["bad"]),
    ],
    ids=["one class", "one class and no word", "no word"],
)
def test_nothing_to_learn_is_the_majority(texts: list[str], labels: list[str], test: list[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert tfidf_logistic_regression(texts, labels, test, seed=0) == ["up"]


def test_no_test_texts() -> None:
    assert tfidf_logistic_regression(TEXTS, LABELS, [], seed=0) == []
