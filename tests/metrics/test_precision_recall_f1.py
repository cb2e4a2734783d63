import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, precision_score, recall_score

from finetune.metrics import MetricOptions, score

NAMES = ["precision_recall_f1"]
REFERENCES = ["spam", "spam", "ham", "ham", "ham"]
PREDICTIONS = ["spam", "ham", "ham", "ham", "spam"]


def test_by_hand() -> None:
    scores = score(NAMES, PREDICTIONS, REFERENCES)
    spam, ham = 1 / 2, 2 / 3  # precision, recall and F1 of each class are equal here
    assert scores.details["spam"] == {"precision": spam, "recall": spam, "f1": spam, "support": 2}
    assert scores.details["ham"] == pytest.approx({"precision": ham, "recall": ham, "f1": ham, "support": 3})
    macro = (spam + ham) / 2
    assert scores.values == pytest.approx(
        {"precision": macro, "recall": macro, "f1": macro, "f1_weighted": (2 * spam + 3 * ham) / 5}
    )
    assert "average:macro" in scores.signatures["precision_recall_f1"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcd")), min_size=1))
def test_equals_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    predictions, references = [list(column) for column in zip(*pairs, strict=True)]
    expected = {
        "precision": precision_score(references, predictions, average="macro", zero_division=0),
        "recall": recall_score(references, predictions, average="macro", zero_division=0),
        "f1": f1_score(references, predictions, average="macro", zero_division=0),
        "f1_weighted": f1_score(references, predictions, average="weighted", zero_division=0),
    }
    assert score(NAMES, predictions, references).values == pytest.approx(expected)


def test_class_never_predicted_is_zero_and_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score(NAMES, ["a", "a"], ["a", "b"])
    assert scores.details["b"] == {"precision": 0, "recall": 0, "f1": 0, "support": 1}


def test_labels_order_the_details_and_absent_classes_do_not_count() -> None:
    options = MetricOptions(labels=("spam", "absent", "ham"))
    scores = score(NAMES, PREDICTIONS, REFERENCES, options=options)
    assert list(scores.details) == ["spam", "ham"]
    assert scores.values == score(NAMES, PREDICTIONS, REFERENCES).values
