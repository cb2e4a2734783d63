"""The scheme and the spelling are detected from the labels."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.tasks.label_schemes import find_scheme, find_spelling, labelling_of_names, patterns
from finetune.tasks.labelling import Labelling
from tests.tasks.label_sentences import LABELLINGS, SENTENCES, Sentence, entities_of


def told(sentences: list[list[str]]) -> Labelling | None:
    """The scheme and the spelling of labels, by themselves."""
    spelled = find_spelling(Counter(label for labels in sentences for label in labels))
    if spelled is None or spelled.strays:
        return None
    counts = patterns(Labelling("iob2", spelled.spelling), sentences)
    return Labelling(find_scheme(counts, counts), spelled.spelling)


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
