"""A metric's values on resamples are those of the metric on the examples that were drawn."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.metrics import MetricOptions, own_metrics, score
from finetune.metrics.loading import load_metric
from finetune.metrics.resampling import ResampledMetric, class_counts, divided

CLASSES = st.sampled_from(["a", "b", "c"])
WORDS = st.sampled_from(["the", "old", "house", "stands", "here", "today", "Haus"])
TEXTS = st.lists(WORDS, min_size=1, max_size=9).map(" ".join)
LABELS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])
NUMBERS = st.integers(-3, 3).map(float) | st.floats(-5, 5)


def sequences(element: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    pairs = st.lists(st.tuples(element, element), min_size=1, max_size=6)
    return pairs.map(lambda both: ([one for one, _ in both], [other for _, other in both]))


def pair(element: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    return st.tuples(element, element)


EXAMPLES: dict[str, st.SearchStrategy[tuple[Any, Any]]] = {
    "accuracy": pair(CLASSES),
    "precision_recall_f1": pair(CLASSES),
    "matthews_correlation": pair(CLASSES),
    "multi_label": pair(st.lists(CLASSES, max_size=3, unique=True)),
    "mse": pair(NUMBERS),
    "pearsonr": pair(st.integers(-3, 3).map(float)),
    "spearmanr": pair(NUMBERS),
    "seqeval": sequences(LABELS),
    "word_accuracy": sequences(CLASSES),
    "token_accuracy": sequences(st.integers(0, 3)),
    "sacrebleu": pair(TEXTS),
    "chrf": pair(TEXTS),
}


def test_every_metric_of_finetune_can_be_resampled() -> None:
    assert set(EXAMPLES) == set(own_metrics())
    assert all(isinstance(load_metric(name, MetricOptions()), ResampledMetric) for name in own_metrics())


@pytest.mark.parametrize("name", EXAMPLES)
@given(drawn=st.data())
def test_values_are_those_of_the_examples_that_were_drawn(name: str, drawn: st.DataObject) -> None:
    examples = drawn.draw(st.lists(EXAMPLES[name], min_size=2, max_size=8))
    times = drawn.draw(st.lists(st.integers(0, 3), min_size=len(examples), max_size=len(examples)).filter(any))
    metric = load_metric(name, MetricOptions())
    assert isinstance(metric, ResampledMetric)
    resampled = metric.resampler(*columns(examples))(np.array([times, [1] * len(examples)], float))
    repeated = [example for example, count in zip(examples, times, strict=True) for _ in range(count)]
    for row, expected in enumerate((repeated, examples)):
        values = score([name], *columns(expected)).values
        assert values.keys() == resampled.keys()
        for value, number in values.items():
            assert resampled[value][row] == pytest.approx(number, abs=1e-6)


def columns(examples: Sequence[tuple[Any, Any]]) -> tuple[list[Any], list[Any]]:
    return [prediction for prediction, _ in examples], [reference for _, reference in examples]


def test_iobes_is_read_strictly_here_too() -> None:
    predictions, references = [["B-PER", "I-PER"], ["S-PER", "O"]], [["B-PER", "E-PER"], ["S-PER", "O"]]
    metric = load_metric("seqeval", MetricOptions(labels=("O", "B-PER", "I-PER", "E-PER", "S-PER")))
    assert isinstance(metric, ResampledMetric)
    values = metric.resampler(predictions, references)(np.ones((1, 2)))
    assert values["f1"][0] == pytest.approx(score(["seqeval"], predictions, references).values["f1"])


def test_class_counts() -> None:
    assert class_counts(["a", "b"], ["b", "b"], ["a", "b"]).tolist() == [[0, 0, 1, 0, 0, 1], [0, 1, 0, 1, 0, 1]]


def test_a_quotient_without_a_denominator() -> None:
    assert divided(np.array([1.0, 3.0]), np.array([0.0, 2.0]), where_zero=7.0).tolist() == [7.0, 1.5]
