"""Metrics of numbers: each example is one number, and anything else is refused."""

import pytest

from finetune.errors import UserError
from finetune.metrics.regression import NumberMetric
from finetune.metrics.scores import Scores


class Largest(NumberMetric):
    """The largest number of all."""

    def measure(self, predictions: list[float], references: list[float]) -> Scores:
        return Scores({"largest": max(*predictions, *references)})


def test_a_number_an_example_reaches_the_metric() -> None:
    assert Largest().score([1, 2.5], [-3.0, 0]).values == {"largest": 2.5}


@pytest.mark.parametrize("wrong", ["2", None, [1.0]])
def test_what_is_no_number_is_refused_among_predictions_and_references(wrong: object) -> None:
    for predictions, references in (([1.0, wrong], [1.0, 2.0]), ([1.0, 2.0], [1.0, wrong])):
        with pytest.raises(UserError, match="cannot score this task's predictions") as caught:
            Largest().score(predictions, references)
        assert (caught.value.expected, caught.value.found) == ("a number", repr(wrong))
