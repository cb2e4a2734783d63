"""Words and pieces: the label on the first piece, every word scored once, schemes told and checked."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset
from tokenizers.normalizers import BertNormalizer

from finetune.data import load_data as load_data
from finetune.errors import UserError
from finetune.recipe import Data, TokenClassification
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
    ("labels", "names", "read_as"),
    [
        ("I-A I-A B-A O", "O B-A I-A", "iob1, entities labelled B-A, I-A"),
        ("B-A M-A E-A S-A", "O B-A M-A E-A S-A", "bmes, entities labelled B-A, M-A, E-A, S-A"),
        ("B_A L_A O U_B", "O B_A I_A L_A U_A B_B I_B L_B U_B", "bilou, entities labelled B_A, I_A, L_A, U_A"),
        ("A-I A-E O A-E", "O A-I A-E", "ioe2, entities labelled A-I, A-E"),
        ("B I O B", "O B I", "iob2, entities labelled B, I"),
        ("NOUN VERB O X", "NOUN O VERB X", "plain classes of words, since they have no B, I, E or S"),
        ("I I O O", "I O", "plain classes of words, since I can be anything (task.scheme=... names"),
        ("O O O O", "O", "plain classes of words, since there is no label but O"),
        ("B-A NOUN O O", "B-A NOUN O", "plain classes of words, since many mark no entity: NOUN"),
    ],
)
def test_the_scheme_is_told_and_said_and_the_labels_stay_as_they_are(
    make: Any, load: Any, labels: str, names: str, read_as: str
) -> None:
    task, context = make(TokenClassification())
    raw = tuple(sorted(set(labels.split())))
    prepared = task.prepare(load({"tokens": [["a", "b", "c", "d"]], "labels": [labels.split()]}, {"labels": raw}))
    assert prepared.train["labels"][0] == labels.split()
    assert prepared.labels["labels"] == tuple(names.split())
    assert prepared.notes[0].startswith(f"labels are read as {read_as}")
    metrics = task.metric_names(dataclasses.replace(context, labels=prepared.labels["labels"]))
    assert ("seqeval" in metrics) == ("plain" not in read_as)


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


def test_labels_that_are_not_of_the_scheme_are_refused(make: Any, load: Any) -> None:
    task, _ = make(TokenClassification(scheme="iob2"))
    loaded = load({"tokens": [["a", "b"]], "labels": [["O", "PER"]]}, {"labels": ("O", "PER")})
    with pytest.raises(UserError, match="not all in the scheme iob2") as caught:
        task.prepare(loaded)
    assert "PER" in str(caught.value)
    assert "task.scheme=plain" in str(caught.value)


@pytest.mark.parametrize("label", ["PER", "S-PER", "B-", "X-PER", "0"])
@pytest.mark.parametrize("scheme", ["auto", "iob2"])
def test_a_label_outside_the_scheme_that_train_shows_is_told_with_its_place(
    make: Any, load: Any, label: str, scheme: Any
) -> None:
    task, _ = make(TokenClassification(scheme=scheme))
    train = {"tokens": [["a", "b", "c", "d"]], "labels": [["B-PER", "I-PER", "O", "B-PER"]]}
    loaded = load(train, {"labels": ("B-PER", "I-PER", label)})
    dev = Dataset.from_dict({"tokens": [["a"], ["b", "c"]], "labels": [["O"], ["O", label]], "id": [0, 7]})
    with pytest.raises(UserError, match="not all in the scheme iob2") as caught:
        task.prepare(dataclasses.replace(loaded, dev=dev))
    assert "dev split, example 7" in str(caught.value)
    assert f"{label!r} at word 2 ('c')" in str(caught.value)


def test_a_few_labels_of_another_scheme_are_told_with_file_and_line(make: Any, tmp_path: Path) -> None:
    sentence = "dark B-PER\ngood I-PER\nscene O\nplot B-PER\n\n"
    (tmp_path / "train.conll").write_text(sentence * 20 + "warm O\nplot 0\n")
    task, _ = make(TokenClassification())
    fields = task.fields
    with pytest.raises(UserError) as caught:
        task.prepare(load_data(Data(path=str(tmp_path / "train.conll")), fields))
    assert "train.conll, line 101" in str(caught.value)
    assert "'0' at word 2 ('plot'); 1 of 61 labelled words" in str(caught.value)


ILL_FORMED = [["B-A", "E-A", "O"], ["S-A", "O", "O"], ["B-A", "I-A", "O"]]


def test_labels_that_belong_to_no_entity_that_counts_are_refused_with_their_place(make: Any, load: Any) -> None:
    task, _ = make(TokenClassification())
    rows = {"tokens": [["a", "b", "c"]] * 13, "labels": [*ILL_FORMED[:2] * 6, ILL_FORMED[2]]}
    with pytest.raises(UserError, match="labelled words in no entity as iobes counts them") as caught:
        task.prepare(load(rows, {"labels": ("B-A", "E-A", "I-A", "O", "S-A")}))
    assert "train split, example 12" in str(caught.value)
    assert "'I-A' at word 2 ('b')" in str(caught.value)
    assert "task.scheme=iobes" in str(caught.value)


@pytest.mark.parametrize(
    ("scheme", "labels", "wrong", "written"),
    [
        ("iobes", [*ILL_FORMED[:2] * 6, ILL_FORMED[2]], "'I-A' at word 2 ('b')", ["B-A", "E-A", "O"]),
        ("auto", [["B-A", "I-A", "O"]] * 9 + [["O", "I-A", "I-A"]], "'I-A' at word 2 ('b')", ["O", "B-A", "I-A"]),
    ],
)
def test_entities_that_are_not_well_formed_and_count_are_rewritten_and_noted(
    make: Any, load: Any, scheme: Any, labels: list[list[str]], wrong: str, written: list[str]
) -> None:
    task, _ = make(TokenClassification(scheme=scheme))
    names = tuple(sorted({label for row in labels for label in row}))
    prepared = task.prepare(load({"tokens": [["a", "b", "c"]] * len(labels), "labels": labels}, {"labels": names}))
    assert prepared.train["labels"][:-1] == labels[:-1]
    assert prepared.train["labels"][-1] == written
    assert f"3 of {3 * len(labels)} entities are not labelled as" in prepared.notes[1]  # one in each split
    assert wrong in prepared.notes[1]


def test_plain_labels_that_look_like_entities_are_scored_word_by_word(make: Any, load: Any) -> None:
    task, context = make(TokenClassification(scheme="plain"), labels=NAMES)
    prepared = task.prepare(load(ROWS, {"labels": NAMES}))
    assert prepared.notes == ("labels are read as plain classes of words, as task.scheme=plain asks for",)
    assert task.metric_names(context) == ("accuracy", "precision_recall_f1")


def test_a_declared_label_that_marks_nothing_and_does_not_occur_is_left_out_and_noted(make: Any, load: Any) -> None:
    task, _ = make(TokenClassification())
    prepared = task.prepare(load(ROWS, {"labels": (*NAMES, "B-Y", "<pad>")}))
    assert prepared.labels["labels"] == (*NAMES, "B-Y", "I-Y")
    assert prepared.notes[1].endswith("<pad>")


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
