from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.errors import UserError
from finetune.metrics import MetricOptions, own_metrics, score, value_names
from finetune.metrics.loading import load_metric

Example = tuple[Any, Any]
"""Prediction and reference."""


def pair(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Example]:
    return st.tuples(values, values)


def list_pair(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Example]:
    words = st.lists(pair(values), min_size=1, max_size=6)
    return words.map(lambda rows: ([row[0] for row in rows], [row[1] for row in rows]))


CLASSES = pair(st.sampled_from(["joy", "anger", "fear"]))
TEXTS = pair(st.lists(st.sampled_from(["a", "cat", "sat", "on", "mats"]), min_size=4, max_size=8).map(" ".join))
LABELS = list_pair(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC"]))
NUMBERS = pair(st.integers(-8, 8).map(lambda eighths: eighths / 8))
SETS = pair(st.lists(st.sampled_from(["joy", "anger", "fear"]), unique=True))
TOKENS = list_pair(st.integers(0, 3))
EXAMPLES = {
    "accuracy": CLASSES,
    "precision_recall_f1": CLASSES,
    "matthews_correlation": CLASSES,
    "multi_label": SETS,
    "mse": NUMBERS,
    "pearsonr": NUMBERS,
    "spearmanr": NUMBERS,
    "seqeval": LABELS,
    "word_accuracy": LABELS,
    "sacrebleu": TEXTS,
    "chrf": TEXTS,
    "token_accuracy": TOKENS,
}
each_metric = pytest.mark.parametrize("name", own_metrics())
few = settings(max_examples=15, deadline=None)


def some(name: str) -> st.SearchStrategy[list[Example]]:
    return st.lists(EXAMPLES[name], min_size=1, max_size=6)


def columns(examples: list[Example]) -> tuple[list[Any], list[Any]]:
    return [prediction for prediction, _ in examples], [reference for _, reference in examples]


@each_metric
@few
@given(data=st.data())
def test_order_of_examples_does_not_matter(name: str, data: st.DataObject) -> None:
    examples = data.draw(some(name))
    shuffled = data.draw(st.permutations(examples))
    found, expected = (score([name], *columns(rows)) for rows in (shuffled, examples))
    assert found.values == pytest.approx(expected.values, abs=1e-12)  # sums of floats in another order
    assert (found.details, found.signatures) == (expected.details, expected.signatures)


@each_metric
@few
@given(data=st.data())
def test_one_batch_or_several(name: str, data: st.DataObject) -> None:
    examples = data.draw(some(name))
    cut = data.draw(st.integers(0, len(examples)))
    metric = load_metric(name, MetricOptions())
    for part in (examples[:cut], examples[cut:]):
        predictions, references = columns(part)
        metric.add_batch(predictions=predictions, references=references)  # type: ignore[attr-defined]
    scores = score([name], *columns(examples))
    result = metric.compute()  # type: ignore[attr-defined]
    assert result == {**scores.values, "details": scores.details, "signatures": scores.signatures}


@each_metric
@few
@given(data=st.data())
def test_perfect_predictions_score_highest(name: str, data: st.DataObject) -> None:
    references = [reference for _, reference in data.draw(some(name))]
    if name == "seqeval":
        references.append(["B-PER", "I-PER"])  # without an entity there is nothing to find
    if name == "matthews_correlation":
        references += ["joy", "fear"]  # undefined for a single class
    if name in ("pearsonr", "spearmanr"):
        references += [2.0, 3.0]  # undefined where all are the same
    best = {"sacrebleu": 100, "chrf": 100, "mse": 0}.get(name, 1)
    scores = score([name], references, references)
    assert scores.values == pytest.approx(dict.fromkeys(value_names(name) or (), best))


@each_metric
def test_counts_differ(name: str) -> None:
    with pytest.raises(ValueError, match="3 predictions for 2 references"):
        score([name], ["a"] * 3, ["a"] * 2)


@each_metric
def test_nothing_to_score(name: str) -> None:
    with pytest.raises(UserError, match="nothing to score"):
        score([name], [], [])


@each_metric
def test_predictions_of_another_task(name: str) -> None:
    others = ["a", "b"] if name in ("mse", "pearsonr", "spearmanr") else [3, 4]
    with pytest.raises(UserError, match=f"metric {name} cannot score this task's predictions"):
        score([name], others, others)


def test_several_metrics_and_a_name_given_twice() -> None:
    scores = score(["accuracy", "matthews_correlation", "accuracy"], ["a", "b"], ["a", "b"])
    assert scores.values == {"accuracy": 1, "matthews_correlation": 1}
