"""Entities are labelled in every scheme and read back, as seqeval and conlleval read them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE2, Entities

from finetune.tasks.labelling import Labelling, Scheme, Spelling
from tests.tasks.label_sentences import LABELLINGS, SCHEMES, SENTENCES, Sentence, entities_of


@given(SENTENCES, LABELLINGS)
def test_entities_written_in_a_scheme_are_read_back(sentence: Sentence, labelling: Labelling) -> None:
    entities, length = entities_of(sentence, named=bool(labelling.spelling.separator))
    labels = labelling.write(entities, length)
    assert labelling.read(labels) == entities
    assert labelling.read_predicted(labels) == entities
    assert set(labels) <= set(labelling.label_names(labelling.types(labels)))


# Not IOE1, in which seqeval 1.2.2 loses an entity of one word that another of its type follows.
@pytest.mark.parametrize(
    ("scheme", "peer"),
    [("iob1", IOB1), ("iob2", IOB2), ("ioe2", IOE2), ("iobes", IOBES), ("iobes", BILOU)],
)
@given(sentence=SENTENCES)
def test_seqeval_reads_the_labels_alike(scheme: Scheme, peer: Any, sentence: Sentence) -> None:
    entities, length = entities_of(sentence, named=True)
    labels = Labelling(scheme, Spelling(letters="BILU" if peer is BILOU else "BIES")).write(entities, length)
    (found,) = Entities([labels], peer).entities
    assert [entity.to_tuple()[1:] for entity in found] == entities


def labels_of(letters: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(["O", *(f"{letter}-{kind}" for letter in letters for kind in ("A", "B"))]))


@given(labels_of("BIES"))
def test_predictions_in_iobes_are_read_as_seqeval_reads_them_strictly(labels: list[str]) -> None:
    (found,) = Entities([labels], IOBES).entities
    assert Labelling("iobes").read_predicted(labels) == [entity.to_tuple()[1:] for entity in found]


@pytest.mark.parametrize("scheme", ["iob1", "iob2"])
@given(labels=labels_of("BI"))
def test_predictions_in_iob_are_read_as_conlleval_reads_them(scheme: Scheme, labels: list[str]) -> None:
    expected = [(kind, start, last + 1) for kind, start, last in get_entities(labels)]
    assert Labelling(scheme).read_predicted(labels) == expected


@given(labels_of("BIES"), st.sampled_from(SCHEMES))
def test_every_labelled_word_belongs_to_one_entity(labels: list[str], scheme: Scheme) -> None:
    covered = [word for _, start, end in Labelling(scheme).read(labels) for word in range(start, end)]
    assert covered == [word for word, label in enumerate(labels) if label != "O"]
