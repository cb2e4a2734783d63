"""Label schemes of entities: how the labels of words are spelled, which entities they mark, and how to write them.

Entities are read first, the same way in every scheme: a word goes on the entity of the word before it where both have
the same type, the word itself is no beginning (B) or single word (S), and the word before is no end (E) or single
word. Of labels that are well-formed in their scheme this reads the entities that were meant, and it is how
conlleval.pl reads labels that are not. `write` then gives the labels of these entities in any scheme.

Source: Ramshaw and Marcus, "Text Chunking using Transformation-Based Learning" (1995), for IOB1; Tjong Kim Sang and
Veenstra, "Representing Text Chunks" (1999), for the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["iob2", "iob1", "iobes", "bios", "bioe", "ioe2", "ioe1"]
"""BMES, BILOU and BMEWO are IOBES with other letters. BIOS has no ends, and BIOE no single words."""
Entity = tuple[str, int, int]
"""Type, first word, and the word after the last."""

OUTSIDE = "O"
UNNAMED = "_"
"""Type of the entities of labels that name none (B, I, O); seqeval calls it so too."""

ROLES: dict[Scheme, str] = {
    "iob2": "BI",
    "iob1": "BI",
    "iobes": "BIES",
    "bios": "BIS",
    "bioe": "BIE",
    "ioe2": "IE",
    "ioe1": "IE",
}
"""What labels can say of a word: B, it begins an entity; I, it is inside; E, it ends one; S, it is a single word."""

ROLE_OF = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
"""The role that each letter stands for."""

_NAMES = {"BMES": "bmes", "BILU": "bilou", "BMEW": "bmewo", "BIEW": "bmewo"}
"""What IOBES is called with other letters."""


@dataclass(frozen=True)
class Spelling:
    """How labels are spelled: B-PER, B_PER, PER-B, or B.

    Args:
        separator: What parts the letter and the type; empty where labels name no type.
        is_suffix: Whether the letter comes last.
        letters: The letters for B, I, E and S, in this order: BIES, BMES, BILU or BMEW.
    """

    separator: Literal["-", "_", ""] = "-"
    is_suffix: bool = False
    letters: str = "BIES"

    def letter_and_type(self, label: str) -> tuple[str, str] | None:
        """The letter, of any scheme, and the type; None where the label is not spelled like this."""
        if not self.separator:
            return (label, UNNAMED) if label in ROLE_OF else None
        before, _, after = label.rpartition(self.separator) if self.is_suffix else label.partition(self.separator)
        letter, kind = (after, before) if self.is_suffix else (before, after)
        return (letter, kind) if letter in ROLE_OF and kind else None

    def split(self, label: str) -> tuple[str, str] | None:
        """The role (B, I, E or S) and the type; None for O, and for labels that are not spelled like this."""
        found = self.letter_and_type(label)
        return (ROLE_OF[found[0]], found[1]) if found and found[0] in self.letters else None

    def join(self, role: str, kind: str) -> str:
        """The label of a role and a type."""
        letter = self.letters["BIES".index(role)]
        if not self.separator:
            return letter
        return f"{kind}{self.separator}{letter}" if self.is_suffix else f"{letter}{self.separator}{kind}"


@dataclass(frozen=True)
class Labelling:
    """A scheme and how its labels are spelled."""

    scheme: Scheme
    spelling: Spelling = Spelling()

    @property
    def name(self) -> str:
        """The scheme's name, by its letters where several share it."""
        return _NAMES.get(self.spelling.letters, "iobes") if self.scheme == "iobes" else self.scheme

    @property
    def is_strict(self) -> bool:
        """Whether predicted entities count only where they are well-formed.

        In schemes of B and I, or of I and E, they always count, as in conlleval.pl, by which published scores are
        computed. In the others that would forgive every wrong E and S, the labels that the scheme was chosen for.
        """
        return self.scheme in ("iobes", "bios", "bioe")

    def read(self, labels: Sequence[str]) -> list[Entity]:
        """The entities of one sentence; every word that is not outside belongs to one."""
        return [entity for entity, _ in self.spans(labels)]

    def read_predicted(self, labels: Sequence[str]) -> list[Entity]:
        """The entities of one predicted sentence that count, see `is_strict`."""
        spans = self.spans(labels)
        if not self.is_strict:
            return [entity for entity, _ in spans]
        return [entity for entity, roles in spans if roles == roles_of(self.scheme, entity[2] - entity[1])]

    def spans(self, labels: Sequence[str]) -> list[tuple[Entity, str]]:
        """The entities of one sentence, and the roles of each one's words as they are labelled."""
        found: list[tuple[Entity, str]] = []
        before: tuple[str, str] | None = None
        for index, label in enumerate(labels):
            word = None if label == OUTSIDE else self.spelling.split(label)
            if word is not None:
                role, kind = word
                if before is not None and before[1] == kind and role not in "BS" and before[0] not in "ES":
                    (_, start, _), roles = found[-1]
                    found[-1] = ((kind, start, index + 1), roles + role)
                else:
                    found.append(((kind, index, index + 1), role))
            before = word
        return found

    def write(self, entities: Sequence[Entity], length: int) -> list[str]:
        """The labels of a sentence of `length` words with these entities, in order."""
        labels = [OUTSIDE] * length
        for index, (kind, start, end) in enumerate(entities):
            follows, is_followed = touching(entities, index)
            roles = roles_of(self.scheme, end - start, follows=follows, is_followed=is_followed)
            labels[start:end] = [self.spelling.join(role, kind) for role in roles]
        return labels

    def has(self, label: str) -> bool:
        """Whether the label is one of the scheme, with any type."""
        found = self.spelling.split(label)
        return label == OUTSIDE or (found is not None and found[0] in ROLES[self.scheme])

    def label_names(self, types: Iterable[str]) -> tuple[str, ...]:
        """Every label that entities of these types can have, O first, then by type."""
        return (OUTSIDE, *(self.spelling.join(role, kind) for kind in sorted(types) for role in ROLES[self.scheme]))

    @property
    def scored(self) -> "Labelling":
        """What entities are written in for seqeval: IOBES where only well-formed ones count, else IOB2."""
        return Labelling("iobes" if self.is_strict else "iob2")

    def types(self, labels: Iterable[str]) -> set[str]:
        """The entity types of labels."""
        return {found[1] for label in labels if label != OUTSIDE and (found := self.spelling.split(label))}


def touching(entities: Sequence[Entity], index: int) -> tuple[bool, bool]:
    """Whether an entity of the same type ends right before this one, and whether one begins right after it."""
    kind, start, end = entities[index]
    before = entities[index - 1] if index else None
    after = entities[index + 1] if index + 1 < len(entities) else None
    return (
        before is not None and before[0] == kind and before[2] == start,
        after is not None and after[0] == kind and after[1] == end,
    )


def roles_of(scheme: Scheme, length: int, *, follows: bool = False, is_followed: bool = False) -> str:
    """The roles of the words of a well-formed entity, one letter a word.

    Args:
        scheme: The scheme.
        length: Words of the entity.
        follows: Whether an entity of the same type ends right before it.
        is_followed: Whether an entity of the same type begins right after it.
    """
    if length == 1 and scheme in ("iobes", "bios"):
        return "S"
    begins = scheme in ("iob2", "iobes", "bios", "bioe") or (scheme == "iob1" and follows)
    ends = scheme in ("iobes", "bioe", "ioe2") or (scheme == "ioe1" and is_followed)
    if length == 1:
        return "B" if begins else "E" if ends else "I"
    return ("B" if begins else "I") + "I" * (length - 2) + ("E" if ends else "I")
