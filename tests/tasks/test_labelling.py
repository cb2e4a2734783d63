"""Label schemes: detection and conversion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.tasks.labelling import Scheme, detect_scheme, entities, label_names, normalize

Span = tuple[int, int, str]


def spans(labels: list[str]) -> list[Span]:
    """Entities of an IOB2 or IOBES sentence, read plainly: B or S opens, I or E of the same type goes on."""
    found: list[Span] = []
    for index, label in enumerate(labels):
        if label[0] in "BS":
            found.append((index, index + 1, label[2:]))
        elif label != "O":
            start, _, kind = found.pop()
            found.append((start, index + 1, kind))
    return found


def write(sentence: list[tuple[int, str]], scheme: Scheme) -> list[str]:
    """Labels of entities (length, type), type "" for words outside, written in `scheme`."""
    labels: list[str] = []
    for length, kind in sentence:
        if not kind:
            labels += ["O"] * length
        elif scheme == "bmes":
            labels += [f"S-{kind}"] if length == 1 else [f"B-{kind}", *[f"M-{kind}"] * (length - 2), f"E-{kind}"]
        else:
            after_same = bool(labels) and labels[-1] != "O" and labels[-1][2:] == kind
            first = "B" if scheme == "iob2" or after_same else "I"
            labels += [f"{first}-{kind}", *[f"I-{kind}"] * (length - 1)]
    return labels


SENTENCES = st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["", "PER", "LOC"])), max_size=8)


@given(SENTENCES, st.sampled_from(["iob1", "iob2", "bmes"]))
def test_every_scheme_says_the_same_entities(sentence: list[tuple[int, str]], scheme: Scheme) -> None:
    wanted = spans(write(sentence, "iob2"))
    assert spans(normalize(write(sentence, scheme), scheme)) == wanted


@given(SENTENCES, st.sampled_from(["iob1", "iob2", "bmes"]))
def test_entities_are_read_back(sentence: list[tuple[int, str]], scheme: Scheme) -> None:
    wanted = [(kind, start, end) for start, end, kind in spans(write(sentence, "iob2"))]
    assert entities(normalize(write(sentence, scheme), scheme), scheme) == wanted


@pytest.mark.parametrize(
    ("labels", "scheme", "expected"),
    [
        (["O", "I-PER", "I-PER", "I-LOC"], "iob2", [("PER", 1, 3), ("LOC", 3, 4)]),
        (["B-PER", "I-PER", "O", "E-PER", "S-LOC"], "bmes", [("LOC", 4, 5)]),
        (["NOUN", "VERB"], "plain", []),
    ],
)
def test_ill_formed_labels_are_read_as_they_are_scored(
    labels: list[str], scheme: Scheme, expected: list[tuple[str, int, int]]
) -> None:
    assert entities(labels, scheme) == expected


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        ([["B-PER", "I-PER", "O"], ["O", "B-LOC"]], "iob2"),
        ([["I-PER", "I-PER", "O"], ["I-LOC", "B-LOC"]], "iob1"),
        ([["O", "B-PER"], ["I-LOC"]], "iob1"),
        ([["B-PER", "I-LOC"]], "iob1"),
        ([["B-PER", "M-PER", "E-PER", "S-LOC"]], "bmes"),
        ([["B-PER", "I-PER", "E-PER", "S-LOC"]], "bmes"),
        ([["NOUN", "VERB"]], "plain"),
        ([["O", "O"]], "plain"),
        ([["O", "New-York"]], "plain"),
        ([["B", "I"]], "plain"),
        ([], "plain"),
    ],
)
def test_the_scheme_is_told_from_the_labels(sentences: list[list[str]], scheme: Scheme) -> None:
    assert detect_scheme(sentences) == scheme


@given(SENTENCES, st.sampled_from(["iob1", "iob2", "bmes"]))
def test_the_label_list_covers_what_normalizing_gives(sentence: list[tuple[int, str]], scheme: Scheme) -> None:
    raw = write(sentence, scheme)
    names = label_names(sorted(set(raw)), scheme)
    assert names[0] == "O"
    assert len(set(names)) == len(names)
    assert set(normalize(raw, scheme)) <= set(names)


def test_plain_labels_keep_their_order() -> None:
    assert label_names(["b", "a"], "plain") == ("b", "a")
