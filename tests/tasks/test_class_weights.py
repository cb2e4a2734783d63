import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from finetune.errors import UserError
from finetune.tasks.batch import IGNORE_INDEX
from finetune.tasks.class_weights import of_classes, of_label_sets

LABELS = ("a", "b", "c")
COUNTS = st.lists(st.integers(0, 50), min_size=3, max_size=3).filter(any)
ASKED = st.sampled_from(["balanced", {"a": 5.0}, {"b": 0.5, "c": 2.0}])


@given(COUNTS, ASKED)
def test_the_mean_weight_of_train_targets_is_one(counts: list[int], asked: str | dict[str, float]) -> None:
    weights = of_classes(asked, LABELS, np.array(counts))  # type: ignore[arg-type]
    assert np.dot(weights.present, counts) == pytest.approx(sum(counts))


@given(COUNTS, st.integers(1, 20), ASKED)
def test_the_mean_weight_of_each_label_is_one(counts: list[int], more: int, asked: str | dict[str, float]) -> None:
    examples = max(counts) + more
    weights = of_label_sets(asked, LABELS, np.array(counts), examples)  # type: ignore[arg-type]
    assert weights.absent is not None
    for count, present, absent in zip(counts, weights.present, weights.absent, strict=True):
        assert count * present + (examples - count) * absent == pytest.approx(examples)


def test_balanced_classes_count_alike() -> None:
    counts = np.array([90, 9, 1])
    weights = of_classes("balanced", LABELS, counts)
    assert np.multiply(weights.present, counts) == pytest.approx([100 / 3] * 3)


def test_balanced_labels_count_as_much_as_their_absence() -> None:
    weights = of_label_sets("balanced", ("a",), np.array([10]), 100)
    assert weights.absent is not None
    assert weights.present[0] * 10 == pytest.approx(weights.absent[0] * 90)


def test_given_weights_keep_their_ratio() -> None:
    weights = of_classes({"b": 5.0}, LABELS, np.array([10, 10, 10])).present
    assert weights[1] / weights[0] == pytest.approx(5)
    assert weights[0] == weights[2]


def test_positions_without_a_target_weigh_nothing() -> None:
    weights = of_classes({"b": 5.0}, LABELS, np.array([10, 10, 10]))
    found = weights.of(torch.tensor([[0, IGNORE_INDEX, 1]]))
    assert found.tolist() == [[pytest.approx(weights.present[0]), 0.0, pytest.approx(weights.present[1])]]


def test_an_unknown_class_suggests_a_name() -> None:
    with pytest.raises(UserError, match="did you mean spam") as caught:
        of_classes({"spamm": 2.0}, ("ham", "spam"), np.array([1, 1]))
    assert caught.value.where == "training.class_weights"
