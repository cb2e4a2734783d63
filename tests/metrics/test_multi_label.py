import pytest
from sklearn.metrics import f1_score
from sklearn.preprocessing import MultiLabelBinarizer

from finetune.metrics import MetricOptions, score

PREDICTIONS = [["a"], ["a", "b"], [], ["c"], []]
REFERENCES = [["a"], ["b"], ["c"], ["c", "a"], []]


@pytest.mark.parametrize("average", ["micro", "macro"])
def test_f1_is_that_of_scikit_learn(average: str) -> None:
    binary = MultiLabelBinarizer(classes=["a", "b", "c"])
    expected = f1_score(binary.fit_transform(REFERENCES), binary.transform(PREDICTIONS), average=average)
    assert score(["multi_label"], PREDICTIONS, REFERENCES).values[f"f1_{average}"] == pytest.approx(expected)


def test_subset_accuracy_counts_examples_that_are_right_as_a_whole() -> None:
    assert score(["multi_label"], PREDICTIONS, REFERENCES).values["subset_accuracy"] == 2 / 5


def test_details_are_in_the_order_of_the_labels() -> None:
    options = MetricOptions(labels=("c", "b", "a", "never"))
    details = score(["multi_label"], PREDICTIONS, REFERENCES, options=options).details
    assert list(details) == ["c", "b", "a"]
    assert details["b"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 1.0}


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    assert set(score(["multi_label"], [[], []], [[], []]).values.values()) == {1.0}
