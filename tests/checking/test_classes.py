"""Classes that are skewed, and labels that differ in how they are written alone."""

from collections import Counter

import pytest

from finetune.checking.classes import skewed, spellings
from finetune.compose import compose
from finetune.data import Field

LABEL = Field("label", "label", "stars")
WORDS = Field("labels", "word_labels", "tags")


def told(counts: dict[str, int], field: Field = LABEL, *words: str) -> list[str]:
    return list(map(str, skewed(Counter(counts), field, compose(["recipe=sst2", *words]))))


def test_skewed_classes_are_told_with_the_key_that_weights_them() -> None:
    (message,) = told({"ham": 95, "spam": 5})
    for sign in ("'ham' is 95.0% of all", "'spam' occurs 5 times in 100", "training.class_weights=balanced", "'stars'"):
        assert sign in message


@pytest.mark.parametrize(
    ("counts", "field", "words"),
    [
        ({"good": 60, "bad": 40}, LABEL, []),
        ({"ham": 95, "spam": 5}, LABEL, ["training.class_weights=balanced"]),
        ({"only": 9}, LABEL, []),
        ({"O": 90, "B-PER": 5, "I-PER": 5}, WORDS, []),
        ({"O": 90, "B-PER": 1}, Field("label", "label_list", "tags"), []),
    ],
)
def test_other_classes_are_not(counts: dict[str, int], field: Field, words: list[str]) -> None:
    assert told(counts, field, *words) == []


def test_a_class_ten_times_as_rare_and_words_that_are_nearly_all_outside() -> None:
    assert len(told({"a": 50, "b": 45, "c": 5})) == 1
    assert len(told({"O": 98, "B-PER": 2}, WORDS)) == 1
    assert len(told({"NOUN": 85, "VERB": 15}, WORDS)) == 1


def test_labels_that_differ_in_case_or_unicode_form_alone() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    found = list(map(str, spellings(Counter({"pos": 9, "Pos": 1, "neg": 5, composed: 2, decomposed: 3}), LABEL)))
    assert len(found) == 2
    by_form, by_case = found
    assert "Unicode form alone" in by_form
    assert r"'cafe\u0301' (3) and 'caf\xe9' (2)" in by_form
    assert "case alone" in by_case
    assert "'Pos' (1) and 'pos' (9)" in by_case
    assert "caf" not in by_case


def test_labels_that_differ_in_more_are_left_alone() -> None:
    assert list(spellings(Counter({"pos": 1, "neg": 1, "B-PER": 1, "I-PER": 1}), WORDS)) == []
