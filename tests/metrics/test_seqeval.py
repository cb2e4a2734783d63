import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score, precision_score, recall_score
from seqeval.scheme import IOBES

from finetune.errors import UserError
from finetune.metrics import MetricOptions, score

NAMES = ["seqeval"]
IOB2_LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
IOBES_LABELS = ["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC", "I-LOC", "E-LOC", "S-LOC"]


def pairs_of(labels: list[str]) -> st.SearchStrategy[list[list[tuple[str, str]]]]:
    word = st.tuples(st.sampled_from(labels), st.sampled_from(labels))
    return st.lists(st.lists(word, min_size=1, max_size=8), min_size=1, max_size=4)


def columns(pairs: list[list[tuple[str, str]]]) -> tuple[list[list[str]], list[list[str]]]:
    return [[word[0] for word in row] for row in pairs], [[word[1] for word in row] for row in pairs]


def test_by_hand() -> None:
    references = [["B-PER", "I-PER", "O", "B-LOC"], ["B-LOC", "O"]]
    predictions = [["B-PER", "I-PER", "O", "B-PER"], ["B-LOC", "I-LOC"]]
    scores = score(NAMES, predictions, references)
    # One of three predicted entities is among the three expected.
    assert scores.values == pytest.approx({"precision": 1 / 3, "recall": 1 / 3, "f1": 1 / 3})
    assert scores.details["PER"] == pytest.approx({"precision": 1 / 2, "recall": 1, "f1": 2 / 3, "support": 1})
    assert scores.details["LOC"] == {"precision": 0, "recall": 0, "f1": 0, "support": 2}


@settings(max_examples=50, deadline=None)
@given(pairs_of(IOB2_LABELS))
def test_iob2_equals_seqeval_default(pairs: list[list[tuple[str, str]]]) -> None:
    predictions, references = columns(pairs)
    arguments = {"y_true": references, "y_pred": predictions, "zero_division": 0}
    scores = score(NAMES, predictions, references)
    expected = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    assert scores.values == pytest.approx({name: float(peer(**arguments)) for name, peer in expected.items()})
    assert "mode:conlleval|scheme:IOB2" in scores.signatures["seqeval"]


@settings(max_examples=50, deadline=None)
@given(pairs_of(IOBES_LABELS))
def test_iobes_equals_seqeval_strict(pairs: list[list[tuple[str, str]]]) -> None:
    predictions, references = columns(pairs)
    arguments = {"y_true": references, "y_pred": predictions, "zero_division": 0, "mode": "strict", "scheme": IOBES}
    scores = score(NAMES, predictions, references, options=MetricOptions(labels=tuple(IOBES_LABELS)))
    expected = {"precision": precision_score, "recall": recall_score, "f1": f1_score}
    assert scores.values == pytest.approx({name: float(peer(**arguments)) for name, peer in expected.items()})
    assert "mode:strict|scheme:IOBES" in scores.signatures["seqeval"]


def test_iob2_entity_may_begin_with_inside() -> None:
    assert score(NAMES, [["I-PER", "I-PER"]], [["B-PER", "I-PER"]]).values["f1"] == 1


def test_iobes_entity_must_be_closed() -> None:
    assert score(NAMES, [["B-PER", "I-PER"]], [["B-PER", "E-PER"]]).values["f1"] == 0


def test_labels_decide_the_scheme() -> None:
    labels = MetricOptions(labels=("O", "B-PER", "I-PER", "E-PER", "S-PER"))
    predictions = references = [["B-PER", "I-PER"]]
    assert score(NAMES, predictions, references).values["f1"] == 1
    assert score(NAMES, predictions, references, options=labels).values["f1"] == 0


@pytest.mark.parametrize("predictions", [[["O", "O"]], [["B-PER", "O"]]])
def test_no_entity_in_the_references_is_zero_and_quiet(predictions: list[list[str]]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score(NAMES, predictions, [["O", "O"]])
    assert scores.values == {"precision": 0, "recall": 0, "f1": 0}


def test_entity_of_one_example_does_not_run_into_the_next() -> None:
    predictions = references = [["O", "B-PER"], ["I-PER", "O"]]
    assert score(NAMES, predictions, references).details["PER"]["support"] == 2


def test_type_may_have_hyphens_and_may_be_missing() -> None:
    predictions = references = [["B-work-of-art", "I-work-of-art"], ["B", "I"]]
    assert set(score(NAMES, predictions, references).details) == {"work-of-art", "_"}


def test_plain_labels_are_refused() -> None:
    with pytest.raises(UserError, match=r"IOB2 or IOBES(.|\n)*'Street'"):
        score(NAMES, [["Street", "O"]], [["Street", "O"]])
