"""Label schemes: which entities the labels of words mark, and how entities are labelled.

Entities are read in the same way in every scheme. A word continues the entity of the word before it where both have the
same type, the word itself is not the beginning of an entity (B) or a single word (S), and the word before it is not the
end of an entity (E) or a single word. For labels that are well-formed in their scheme, this gives the entities that
were labelled; for others it is how conlleval.pl reads them. `Labelling.write` returns the labels of entities in any
scheme.

Source: Ramshaw and Marcus, "Text Chunking using Transformation-Based Learning" (1995), for IOB1; Tjong Kim Sang and
Veenstra, "Representing Text Chunks" (1999), for the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Scheme = Literal["iob2", "iob1", "iobes", "bios", "bioe", "ioe2", "ioe1"]
"""A label scheme. BMES, BILOU and BMEWO are IOBES with other letters. BIOS has no label for the end of an entity, BIOE
none for a single word."""
Entity = tuple[str, int, int]
"""An entity: its type, the index of its first word, and the index after its last word."""

OUTSIDE = "O"
"""The label of a word that belongs to no entity."""
UNNAMED = "_"
"""The type of entities whose labels name no type (B, I, O), as in seqeval."""

ROLES: dict[Scheme, str] = {
    "iob2": "BI",
    "iob1": "BI",
    "iobes": "BIES",
    "bios": "BIS",
    "bioe": "BIE",
    "ioe2": "IE",
    "ioe1": "IE",
}
"""The roles that a word can have in each scheme: B, the first word of an entity; I, a word inside; E, the last word; S,
the only word."""

ROLE_OF = {"B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S", "W": "S"}
"""The role that each letter stands for."""

_NAMES = {"BMES": "bmes", "BILU": "bilou", "BMEW": "bmewo", "BIEW": "bmewo"}
"""The names of IOBES with other letters, by the letters for B, I, E and S."""


@dataclass(frozen=True)
class Spelling:
    """The spelling of labels: B-PER, B_PER, PER-B, or B.

    Args:
        separator: The character between the letter and the type; empty where labels name no type.
        is_suffix: Whether the letter comes after the type.
        letters: The letters for B, I, E and S, in this order: BIES, BMES, BILU or BMEW.
    """

    separator: Literal["-", "_", ""] = "-"
    is_suffix: bool = False
    letters: str = "BIES"

    def letter_and_type(self, label: str) -> tuple[str, str] | None:
        """Return the letter, of any scheme, and the type of a label; None where the label is spelled in another way."""
        if not self.separator:
            return (label, UNNAMED) if label in ROLE_OF else None
        before, _, after = label.rpartition(self.separator) if self.is_suffix else label.partition(self.separator)
        letter, kind = (after, before) if self.is_suffix else (before, after)
        return (letter, kind) if letter in ROLE_OF and kind else None

    def split(self, label: str) -> tuple[str, str] | None:
        """Return the role (B, I, E or S) and the type of a label; None for O, and for labels of another spelling."""
        found = self.letter_and_type(label)
        return (ROLE_OF[found[0]], found[1]) if found and found[0] in self.letters else None

    def join(self, role: str, kind: str) -> str:
        """Return the label of a role and a type."""
        letter = self.letters["BIES".index(role)]
        if not self.separator:
            return letter
        return f"{kind}{self.separator}{letter}" if self.is_suffix else f"{letter}{self.separator}{kind}"


@dataclass(frozen=True)
class Labelling:
    """A label scheme and the spelling of its labels."""

    scheme: Scheme
    spelling: Spelling = Spelling()

    @property
    def name(self) -> str:
        """The name of the scheme, which for IOBES depends on its letters."""
        return _NAMES.get(self.spelling.letters, "iobes") if self.scheme == "iobes" else self.scheme

    @property
    def is_strict(self) -> bool:
        """Whether predicted entities count only where they are well-formed.

        In schemes of B and I, or of I and E, all predicted entities count, as in conlleval.pl, which published scores
        are computed with. In the other schemes a wrong E or S would then have no effect on the score.
        """
        return self.scheme in ("iobes", "bios", "bioe")

    def read(self, labels: Sequence[str]) -> list[Entity]:
        """Return the entities of one sentence. Every word whose label is not O belongs to one."""
        return [entity for entity, _ in self.spans(labels)]

    def read_predicted(self, labels: Sequence[str]) -> list[Entity]:
        """Return the entities of one predicted sentence that count: all, or the well-formed ones where `is_strict`."""
        spans = self.spans(labels)
        if not self.is_strict:
            return [entity for entity, _ in spans]
        return [entity for entity, roles in spans if roles == roles_of(self.scheme, entity[2] - entity[1])]

    def spans(self, labels: Sequence[str]) -> list[tuple[Entity, str]]:
        """Return the entities of one sentence, each with the roles by which its words are labelled."""
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
        """Return the labels of a sentence of `length` words with these entities, which are in order."""
        labels = [OUTSIDE] * length
        for index, (kind, start, end) in enumerate(entities):
            follows, is_followed = touching(entities, index)
            roles = roles_of(self.scheme, end - start, follows=follows, is_followed=is_followed)
            labels[start:end] = [self.spelling.join(role, kind) for role in roles]
        return labels

    def has(self, label: str) -> bool:
        """Return whether the scheme has this label, with any type."""
        found = self.spelling.split(label)
        return label == OUTSIDE or (found is not None and found[0] in ROLES[self.scheme])

    def label_names(self, types: Iterable[str]) -> tuple[str, ...]:
        """Return all labels that entities of these types can have: O first, then type by type."""
        return (OUTSIDE, *(self.spelling.join(role, kind) for kind in sorted(types) for role in ROLES[self.scheme]))

    @property
    def scored(self) -> "Labelling":
        """The labelling in which entities are passed to seqeval: IOBES where `is_strict`, else IOB2."""
        return Labelling("iobes" if self.is_strict else "iob2")

    def types(self, labels: Iterable[str]) -> set[str]:
        """Return the entity types of labels."""
        return {found[1] for label in labels if label != OUTSIDE and (found := self.spelling.split(label))}


def touching(entities: Sequence[Entity], index: int) -> tuple[bool, bool]:
    """Return whether an entity of the same type ends right before this one, and whether one begins right after it."""
    kind, start, end = entities[index]
    before = entities[index - 1] if index else None
    after = entities[index + 1] if index + 1 < len(entities) else None
    return (
        before is not None and before[0] == kind and before[2] == start,
        after is not None and after[0] == kind and after[1] == end,
    )


def roles_of(scheme: Scheme, length: int, *, follows: bool = False, is_followed: bool = False) -> str:
    """Return the roles of the words of a well-formed entity, one letter for each word.

    Args:
        scheme: The label scheme.
        length: The number of words of the entity.
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
