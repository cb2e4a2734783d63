"""Labels of a data set: the scheme is noted, and mistakes are reported with their places."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from finetune.data import load_data
from finetune.errors import UserError
from finetune.recipe import Data, TokenClassification

NAMES = ("O", "B-X", "I-X")


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


@pytest.mark.parametrize("scheme", ["auto", "iob2"])
def test_words_that_are_all_outside_are_warned_of(make: Any, load: Any, scheme: str) -> None:
    task, _ = make(TokenClassification(scheme=scheme))
    prepared = task.prepare(load({"tokens": [["a", "b"]], "labels": [["O", "O"]]}, {"labels": ("O",)}))
    assert "all words are labelled O, so that there is nothing to learn" in str(prepared.warnings[0])
    assert "data.columns.labels=..." in str(prepared.warnings[0].fix)
    prepared = task.prepare(load({"tokens": [["a", "b"]], "labels": [["O", "B-A"]]}, {"labels": ("B-A", "O")}))
    assert prepared.warnings == ()


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


def test_a_declared_label_that_marks_nothing_and_does_not_occur_is_left_out_and_noted(make: Any, load: Any) -> None:
    task, _ = make(TokenClassification())
    rows = {"tokens": [["a", "b", "c"]], "labels": [["O", "B-X", "I-X"]]}
    prepared = task.prepare(load(rows, {"labels": (*NAMES, "B-Y", "<pad>")}))
    assert prepared.labels["labels"] == (*NAMES, "B-Y", "I-Y")
    assert prepared.notes[1].endswith("<pad>")
