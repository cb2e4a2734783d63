"""How labels of words mark entities: IOB1, IOB2, BMES and plain labels.

Inside the toolkit entities are written in IOB2 (B- opens every entity) or, where the data tells ends and single
words apart, in IOBES; both are what seqeval reads in its strict mode. Source: Ramshaw and Marcus, "Text Chunking
using Transformation-Based Learning" (1995), for IOB1; Tjong Kim Sang and Veenstra (1999) for IOB2 and IOBES.
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOBES, Entities

Scheme = Literal["iob1", "iob2", "bmes", "plain"]
OUTSIDE = "O"
_PREFIXES = {"B", "I", "M", "E", "S"}


def detect_scheme(sentences: Iterable[Sequence[str]]) -> Scheme:
    """Tell the scheme from labelled sentences.

    Labels without B-, I-, M-, E- or S- prefixes are plain. M-, E- or S- make it bmes (also written IOBES). Of the
    other two, iob1 opens entities with I- and uses B- only to part neighbours of one type.
    """
    prefixes: set[str] = set()
    opened_by_inside = False
    for labels in sentences:
        for index, label in enumerate(labels):
            prefix, kind = split_label(label)
            if label != OUTSIDE and (not kind or prefix not in _PREFIXES):
                return "plain"
            if label != OUTSIDE:
                prefixes.add(prefix)
                opened_by_inside |= prefix == "I" and not _continues(labels, index)
    if prefixes & {"M", "E", "S"}:
        return "bmes"
    if not prefixes:
        return "plain"
    return "iob1" if opened_by_inside else "iob2"


def split_label(label: str) -> tuple[str, str]:
    """`B-PER` as ("B", "PER"); `O` as ("O", "")."""
    prefix, _, kind = label.partition("-")
    return prefix, kind


def fits(label: str, scheme: Scheme) -> bool:
    """Whether a label is of the scheme."""
    prefixes = {"iob1": "BI", "iob2": "BI", "bmes": "BIMES"}
    prefix, kind = split_label(label)
    return scheme == "plain" or label == OUTSIDE or (bool(kind) and len(prefix) == 1 and prefix in prefixes[scheme])


def normalize(labels: Sequence[str], scheme: Scheme) -> list[str]:
    """Labels of one sentence in IOB2 (from iob1), IOBES (from bmes), or unchanged."""
    if scheme == "iob1":
        return [_iob1_to_iob2(labels, index) for index in range(len(labels))]
    if scheme == "bmes":
        return ["I" + label[1:] if label.startswith("M-") else label for label in labels]
    return list(labels)


def label_names(raw: Sequence[str], scheme: Scheme) -> tuple[str, ...]:
    """Every label a model of this scheme can give, from the raw labels that occur; O first, then by entity type."""
    if scheme == "plain":
        return tuple(raw)
    prefixes = ("B", "I", "E", "S") if scheme == "bmes" else ("B", "I")
    kinds = sorted({split_label(label)[1] for label in raw if label != OUTSIDE})
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in prefixes))


def entities(labels: Sequence[str], scheme: Scheme) -> list[tuple[str, int, int]]:
    """Types of the entities of one sentence, their first words, and the words after their last, as F1 counts them.

    Of labels from `normalize`. In IOB2 an I with no B before it begins an entity, as conlleval.pl reads it; in IOBES a
    span counts only if it begins with B and ends with E, or is one S. Plain labels mark none.
    """
    if scheme == "plain":
        return []
    if scheme == "bmes":
        found = [entity.to_tuple()[1:] for entity in Entities([list(labels)], IOBES).entities[0]]
        return [(kind, start, end) for kind, start, end in found]
    return [(kind, start, last + 1) for kind, start, last in get_entities(list(labels))]


def _continues(labels: Sequence[str], index: int) -> bool:
    """Whether the word before belongs to an entity of the same type."""
    before = labels[index - 1] if index else OUTSIDE
    return before != OUTSIDE and split_label(before)[1] == split_label(labels[index])[1]


def _iob1_to_iob2(labels: Sequence[str], index: int) -> str:
    prefix, kind = split_label(labels[index])
    return f"B-{kind}" if prefix == "I" and not _continues(labels, index) else labels[index]
