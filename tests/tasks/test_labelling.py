"""Label schemes: entities are written and read back, and the scheme and spelling are told from the labels."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE2, Entities

from finetune.tasks.label_schemes import find_scheme, find_spelling, labelling_of_names, patterns
from finetune.tasks.labelling import UNNAMED, Entity, Labelling, Scheme, Spelling

SCHEMES: tuple[Scheme, ...] = get_args(Scheme)
PLACES = [Spelling("-"), Spelling("_"), Spelling("-", is_suffix=True), Spelling("_", is_suffix=True), Spelling("")]
SPELLINGS = [replace(place, letters=letters) for place in PLACES for letters in ("BIES", "BMES", "BILU", "BMEW")]
Sentence = list[tuple[int, str]]
"""Lengths and types of entities; the type is empty for words outside."""
SENTENCES = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "PER", "work-of_art"])), max_size=8)
LABELLINGS = st.builds(Labelling, st.sampled_from(SCHEMES), st.sampled_from(SPELLINGS))


def entities_of(sentence: Sentence, *, named: bool) -> tuple[list[Entity], int]:
    """The entities, and the number of words."""
    entities, start = [], 0
    for length, kind in sentence:
        if kind:
            entities.append((kind if named else UNNAMED, start, start + length))
        start += length
    return entities, start


def told(sentences: list[list[str]]) -> Labelling | None:
    """The scheme and the spelling of labels, by themselves."""
    spelled = find_spelling(Counter(label for labels in sentences for label in labels))
    if spelled is None or spelled.strays:
        return None
    counts = patterns(Labelling("iob2", spelled.spelling), sentences)
    return Labelling(find_scheme(counts, counts), spelled.spelling)


@given(SENTENCES, LABELLINGS)
def test_entities_written_in_a_scheme_are_read_back(sentence: Sentence, labelling: Labelling) -> None:
    entities, length = entities_of(sentence, named=bool(labelling.spelling.separator))
    labels = labelling.write(entities, length)
    assert labelling.read(labels) == entities
    assert labelling.read_predicted(labels) == entities
    assert set(labels) <= set(labelling.label_names(labelling.types(labels)))


@settings(max_examples=300)
@given(st.lists(SENTENCES, min_size=1, max_size=4), LABELLINGS)
def test_the_same_entities_are_read_by_the_labels_alone(sentences: list[Sentence], labelling: Labelling) -> None:
    wanted = [entities_of(sentence, named=bool(labelling.spelling.separator)) for sentence in sentences]
    written = [labelling.write(entities, length) for entities, length in wanted]
    found = told(written)
    if found is None:  # labels of a single letter can be anything, and O alone has no scheme
        assert not labelling.spelling.separator or not any(entities for entities, _ in wanted)
        return
    assert [found.read(labels) for labels in written] == [entities for entities, _ in wanted]
    assert [found.write(entities, length) for entities, length in wanted] == written


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


@pytest.mark.parametrize(
    ("labels", "name", "label"),
    [
        ("B-A I-A O B-A", "iob2", "B-A"),
        ("I-A I-A O I-B B-B", "iob1", "I-A"),
        ("O B-A O I-B B-B I-B B-A", "iob2", "B-A"),
        ("B-A M-A E-A S-B", "bmes", "M-A"),
        ("B-A I-A E-A S-B", "iobes", "S-A"),
        ("B-A I-A L-A U-B", "bilou", "U-A"),
        ("B-A L-A O", "bilou", "U-A"),
        ("B-A M-A E-A W-B", "bmewo", "W-A"),
        ("B-A I-A O S-A", "bios", "S-A"),
        ("B-A I-A E-A B-A", "bioe", "E-A"),
        ("I-A E-A O E-B E-B", "ioe2", "E-A"),
        ("I-A I-A O I-B E-B I-B", "ioe1", "E-A"),
        ("B_A I_A O", "iob2", "B_A"),
        ("A-B A-I O", "iob2", "A-B"),
        ("A-x-B A-x-E O A-x-S", "iobes", "A-x-S"),
        ("A_B A_I O", "iob2", "A_B"),
        ("B I O B", "iob2", "B"),
        ("B M E S B E", "bmes", "S"),
    ],
)
def test_the_scheme_is_told_from_the_labels(labels: str, name: str, label: str) -> None:
    found = told([labels.split()])
    assert found is not None
    assert found.name == name
    assert label in found.label_names(found.types(labels.split()))
    by_names = labelling_of_names(found.label_names(["A"]))
    assert by_names is not None
    assert by_names.spelling == found.spelling
    assert by_names.is_strict == found.is_strict


@pytest.mark.parametrize("labels", ["NOUN VERB", "O O", "O New-York", "O I", "S E", "B-", "", "b-per O", "A B C"])
def test_other_labels_are_plain(labels: str) -> None:
    assert told([labels.split()]) is None
    assert labelling_of_names(labels.split()) is None


def test_the_scheme_of_train_counts_before_that_of_the_other_splits() -> None:
    count: Callable[[str], Counter[Any]] = lambda labels: patterns(Labelling("iob2"), [labels.split()])  # noqa: E731
    assert find_scheme(count("B-A I-A O B-A"), count("B-A I-A O B-A O S-A O S-A")) == "iob2"
    assert find_scheme(count("B-A I-A"), count("B-A I-A O S-A")) == "bios", "train alone leaves it open"


@pytest.mark.parametrize("scheme", ["iob1", "iob2", "ioe1", "bios"])
def test_a_named_scheme_makes_single_letters_entities_and_plain_none(scheme: str) -> None:
    assert labelling_of_names(["O", "I"]) is None
    assert labelling_of_names(["O", "I"], scheme) is not None
    assert labelling_of_names(["O", "B-A", "I-A"], "plain") is None
