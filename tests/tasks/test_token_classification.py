"""Words and pieces: the label is on the first piece, and every word is scored once."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pytest
from datasets import Dataset
from tokenizers.normalizers import BertNormalizer

from finetune.data import load_data as load_data
from finetune.recipe import TokenClassification
from finetune.tasks import EvaluationRecord, Prediction
from finetune.tasks.batch import IGNORE_INDEX

WORDS = [["the", "extraordinarily", "red", "dog"], ["unbelievable"], [], ["a"] * 40]
LABELS = [["O", "B-X", "I-X", "O"], ["B-X"], [], ["O"] * 40]
ROWS = {"tokens": WORDS, "labels": LABELS, "id": [0, 1, 2, 3]}
NAMES = ("O", "B-X", "I-X")


@pytest.mark.parametrize("architecture", ["bert", "t5"])
def test_the_label_is_on_the_first_piece_and_nowhere_else(make: Any, architecture: str) -> None:
    task, context = make(TokenClassification(max_length=128), architecture, labels=NAMES)
    features = task.encode(Dataset.from_dict(ROWS), context)
    assert features["example"][:] == [0, 1, 2, 3]
    encoding = context.tokenizer(WORDS[0], is_split_into_words=True)
    expected, seen = [], set()
    for word in encoding.word_ids():
        first = word is not None and word not in seen
        expected.append(NAMES.index(LABELS[0][word]) if first else IGNORE_INDEX)
        seen.add(word)
    assert features["label_ids"][0] == expected
    assert features["input_ids"][0] == encoding["input_ids"]
    assert len(encoding["input_ids"]) > len(WORDS[0]) + 2  # or nothing is shown about pieces


@pytest.mark.parametrize("architecture", ["bert", "t5"])
@pytest.mark.parametrize(("max_length", "stride"), [(8, 2), (12, 5), (8, 0), (5, 90)])
def test_every_word_of_a_long_sentence_is_trained_and_scored_once(
    make: Any, architecture: str, max_length: int, stride: int
) -> None:
    task, context = make(TokenClassification(max_length=max_length, stride=stride), architecture, labels=NAMES)
    split = Dataset.from_dict(ROWS)
    features = task.encode(split, context)
    assert max(features["length"]) <= max_length
    assert features["feature"][:] == list(range(len(features)))
    for example, words in enumerate(WORDS):
        rows = [feature for feature in features if feature["example"] == example]
        labelled = [word for row in rows for word in row["words"] if word != IGNORE_INDEX]
        assert sorted(labelled) == list(range(len(words)))
        assert sum(row["targets"] for row in rows) == len(words)
    records = task.records(split, perfect(features), context)
    assert [record.prediction for record in records] == LABELS
    assert task.score(records, context).values["f1"] == 1.0


def perfect(features: Dataset) -> Sequence[Prediction]:
    """What a model without fault predicts."""
    return [
        Prediction(
            row["feature"],
            row["example"],
            0.0,
            row["targets"],
            {
                word: label
                for word, label in zip(row["words"], row["label_ids"], strict=True)
                if IGNORE_INDEX not in (word, label)
            },
        )
        for row in features
    ]


def test_a_word_without_pieces_counts_as_predicted_outside(make: Any) -> None:
    task, context = make(TokenClassification(), labels=NAMES)
    context.tokenizer.backend_tokenizer.normalizer = BertNormalizer()  # drops control characters, as BERT's own does
    rows = Dataset.from_dict({"tokens": [["the", "\x07", "dog"]], "labels": [["O", "B-X", "O"]], "id": [0]})
    features = task.encode(rows, context)
    assert sum(features["targets"]) == 2
    (record,) = task.records(rows, perfect(features), context)
    assert record.prediction == ["O", "O", "O"]


@pytest.mark.parametrize(
    "labels",
    ["B-A I-A O B-A", "B-A I-A O S-A", "B-A E-A O B-A", "I-A E-A O E-A", "B-A L-A O U-A", "A_B A_E O A_W", "B I O B"],
)
def test_every_entity_counts_in_every_scheme(make: Any, load: Any, labels: str) -> None:
    task, context = make(TokenClassification())
    rows = {"tokens": [["a", "b", "c", "d"]], "labels": [labels.split()]}
    prepared = task.prepare(load(rows, {"labels": tuple(set(labels.split()))}))
    context = dataclasses.replace(context, labels=prepared.labels["labels"])
    records = task.records(prepared.test, perfect(task.encode(prepared.test, context)), context)
    scores = task.score(records, context)
    assert records[0].prediction == labels.split()
    assert scores.values["f1"] == 1
    assert [one["support"] for one in scores.details.values()] == [2]


def test_predicted_entities_that_are_not_well_formed_count_only_in_schemes_of_two_roles(make: Any) -> None:
    for names, predicted, f1 in (("O B_X I_X", "I_X I_X", 1), ("O X-B X-I X-L X-U", "X-I X-L", 0)):
        task, context = make(TokenClassification(), labels=tuple(names.split()))
        right = predicted.replace("I_X", "B_X", 1).replace("X-I", "X-B", 1).split()
        record = EvaluationRecord(id=0, input=["a", "b"], reference=right, prediction=predicted.split())
        assert task.score([record], context).values["f1"] == f1


def test_plain_labels_that_look_like_entities_are_scored_word_by_word(make: Any, load: Any) -> None:
    task, context = make(TokenClassification(scheme="plain"), labels=NAMES)
    prepared = task.prepare(load(ROWS, {"labels": NAMES}))
    assert prepared.notes == ("labels are read as plain classes of words, as task.scheme=plain asks for",)
    assert task.metric_names(context) == ("accuracy", "precision_recall_f1")


def test_words_labelled_minus_100_are_neither_learned_nor_scored(make: Any, load: Any) -> None:
    task, context = make(TokenClassification())
    labels = [["B-X", "-100", "I-X", "O"], ["-100", "I-X", "O", "B-X"]]
    prepared = task.prepare(load({"tokens": [["a", "b", "c", "d"]] * 2, "labels": labels}, {"labels": NAMES}))
    context = dataclasses.replace(context, labels=prepared.labels["labels"])
    features = task.encode(prepared.test, context)
    assert prepared.test["labels"] == labels, "where an entity begins is not known after a word without a target"
    assert features["targets"][:] == [3, 3]
    records = task.records(prepared.test, perfect(features), context)
    predicted = [["B-X", "B-X", "I-X", "O"], ["O", "I-X", "O", "B-X"]]
    records = [dataclasses.replace(one, prediction=row) for one, row in zip(records, predicted, strict=True)]
    scores = task.score(records, context)
    assert scores.values["f1"] == scores.values["accuracy"] == 1
    assert scores.details["X"]["support"] == 3


def test_plain_labels_are_scored_word_by_word(make: Any) -> None:
    task, context = make(TokenClassification(), labels=("NOUN", "VERB"))
    rows = Dataset.from_dict({"tokens": [["red", "dog"]], "labels": [["NOUN", "VERB"]], "id": [0]})
    features = task.encode(rows, context)
    scores = task.score(task.records(rows, perfect(features), context), context)
    assert scores.values["accuracy"] == scores.values["f1"] == 1.0
