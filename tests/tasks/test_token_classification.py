"""Words and pieces: the label on the first piece, every word scored once, schemes told and checked."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from datasets import Dataset
from tokenizers.normalizers import BertNormalizer

from finetune.errors import UserError
from finetune.recipe import TokenClassification
from finetune.tasks import Prediction
from finetune.tasks.base import IGNORED

WORDS = [["the", "extraordinarily", "red", "dog"], ["unbelievable"], [], ["a"] * 40]
LABELS = [["O", "B-X", "I-X", "O"], ["B-X"], [], ["O"] * 40]
ROWS = {"tokens": WORDS, "labels": LABELS, "id": [0, 1, 2, 3]}
NAMES = ("O", "B-X", "I-X")


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_the_label_is_on_the_first_piece_and_nowhere_else(make: Any, architecture: str) -> None:
    task, tools = make(TokenClassification(max_length=128), architecture, labels=NAMES)
    features = task.encode(Dataset.from_dict(ROWS), tools)
    assert features["example"][:] == [0, 1, 2, 3]
    encoding = tools.tokenizer(WORDS[0], is_split_into_words=True)
    expected, seen = [], set()
    for word in encoding.word_ids():
        first = word is not None and word not in seen
        expected.append(NAMES.index(LABELS[0][word]) if first else IGNORED)
        seen.add(word)
    assert features["label_ids"][0] == expected
    assert features["input_ids"][0] == encoding["input_ids"]
    assert len(encoding["input_ids"]) > len(WORDS[0]) + 2  # or nothing is shown about pieces


@pytest.mark.parametrize("architecture", ["bert", "t5"])
@pytest.mark.parametrize(("max_length", "stride"), [(8, 2), (12, 5), (8, 0), (5, 90)])
def test_every_word_of_a_long_sentence_is_trained_and_scored_once(
    make: Any, architecture: str, max_length: int, stride: int
) -> None:
    task, tools = make(TokenClassification(max_length=max_length, stride=stride), architecture, labels=NAMES)
    split = Dataset.from_dict(ROWS)
    features = task.encode(split, tools)
    assert max(features["length"]) <= max_length
    assert features["feature"][:] == list(range(len(features)))
    for example, words in enumerate(WORDS):
        rows = [feature for feature in features if feature["example"] == example]
        labelled = [word for row in rows for word in row["words"] if word != IGNORED]
        assert sorted(labelled) == list(range(len(words)))
        assert sum(row["targets"] for row in rows) == len(words)
    records = task.records(split, perfect(features), tools)
    assert [record.prediction for record in records] == LABELS
    assert task.score(records, tools).values["f1"] == 1.0


def perfect(features: Dataset) -> Sequence[Prediction]:
    """What a model without fault predicts."""
    return [
        Prediction(
            row["feature"],
            row["example"],
            0.0,
            row["targets"],
            {word: label for word, label in zip(row["words"], row["label_ids"], strict=True) if word != IGNORED},
        )
        for row in features
    ]


def test_a_word_without_pieces_counts_as_predicted_outside(make: Any) -> None:
    task, tools = make(TokenClassification(), labels=NAMES)
    tools.tokenizer.backend_tokenizer.normalizer = BertNormalizer()  # drops control characters, as BERT's own does
    rows = Dataset.from_dict({"tokens": [["the", "\x07", "dog"]], "labels": [["O", "B-X", "O"]], "id": [0]})
    features = task.encode(rows, tools)
    assert sum(features["targets"]) == 2
    (record,) = task.records(rows, perfect(features), tools)
    assert record.prediction == ["O", "O", "O"]


@pytest.mark.parametrize(
    ("labels", "expected", "names"),
    [
        (["I-A", "I-A", "B-A", "O"], ["B-A", "I-A", "B-A", "O"], ("O", "B-A", "I-A")),
        (["B-A", "M-A", "E-A", "S-A"], ["B-A", "I-A", "E-A", "S-A"], ("O", "B-A", "I-A", "E-A", "S-A")),
        (["NOUN", "VERB", "O", "X"], ["NOUN", "VERB", "O", "X"], ("NOUN", "O", "VERB", "X")),
    ],
)
def test_schemes_are_told_and_normalized(
    make: Any, load: Any, labels: list[str], expected: list[str], names: tuple[str, ...]
) -> None:
    task, _ = make(TokenClassification())
    raw = tuple(sorted(set(labels)))
    prepared = task.prepare(load({"tokens": [["a", "b", "c", "d"]], "labels": [labels]}, {"labels": raw}))
    assert prepared.train["labels"][0] == expected
    assert prepared.labels["labels"] == names


def test_labels_that_are_not_of_the_scheme_are_refused(make: Any, load: Any) -> None:
    task, _ = make(TokenClassification(scheme="iob2"))
    loaded = load({"tokens": [["a", "b"]], "labels": [["O", "PER"]]}, {"labels": ("O", "PER")})
    with pytest.raises(UserError, match="not all in the scheme iob2") as caught:
        task.prepare(loaded)
    assert "PER" in str(caught.value)
    assert "task.scheme=plain" in str(caught.value)


@pytest.mark.parametrize("label", ["PER", "S-PER", "B-", "X-PER"])
def test_a_label_outside_the_scheme_that_train_shows_is_told_with_its_place(make: Any, load: Any, label: str) -> None:
    task, _ = make(TokenClassification())
    loaded = load({"tokens": [["a", "b"]], "labels": [["B-PER", "I-PER"]]}, {"labels": ("B-PER", "I-PER", label)})
    dev = Dataset.from_dict({"tokens": [["a"], ["b"]], "labels": [["O"], [label]], "id": [0, 7]})
    with pytest.raises(UserError) as caught:
        task.prepare(dataclasses.replace(loaded, dev=dev))
    assert "dev split, example 7" in str(caught.value)
    assert label in str(caught.value)


def test_plain_labels_are_scored_word_by_word(make: Any) -> None:
    task, tools = make(TokenClassification(), labels=("NOUN", "VERB"))
    rows = Dataset.from_dict({"tokens": [["red", "dog"]], "labels": [["NOUN", "VERB"]], "id": [0]})
    features = task.encode(rows, tools)
    scores = task.score(task.records(rows, perfect(features), tools), tools)
    assert scores.values["accuracy"] == scores.values["f1"] == 1.0
