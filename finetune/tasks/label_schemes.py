"""Which label scheme labels are in: told from how they are spelled and from the entities that they make up."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from finetune.tasks.labelling import OUTSIDE, ROLE_OF, ROLES, Labelling, Scheme, Spelling, roles_of, touching

MOST_STRAYS = 0.25
"""Share of the labelled words up to which labels without a letter are taken for mistakes among labels of entities."""

_SPELLINGS = (Spelling("-"), Spelling("_"), Spelling("-", is_suffix=True), Spelling("_", is_suffix=True), Spelling(""))

NAMED: dict[str, Scheme] = {scheme: scheme for scheme in get_args(Scheme)} | dict.fromkeys(
    ("bmes", "bilou", "bmewo"), "iobes"
)
"""The schemes by the names that recipes can give them."""

Pattern = tuple[str, bool, bool]
"""Roles of an entity's words as labelled, whether one of its type ends right before it, and begins right after it."""


@dataclass(frozen=True)
class Spelled:
    """How most labels are spelled, and the share of the words labelled other than O whose labels are not."""

    spelling: Spelling
    strays: float


def find_spelling(words: Mapping[str, int], *, named: bool = False) -> Spelled | None:
    """Tell how labels are spelled, from how many words each label has.

    Args:
        words: How often each label occurs.
        named: Whether the labels are known to mark entities. Else labels of a single letter are taken to do so only
            where they have beginnings and either insides or ends: anything can be called B.

    Returns:
        The spelling that most words have; None where no label other than O is spelled in any way that is known.
    """
    labelled = {label: count for label, count in words.items() if label != OUTSIDE}
    found = [(spelling, _letters(spelling, labelled)) for spelling in _SPELLINGS]
    spelling, letters = max(found, key=lambda one: one[1].total())  # the first of several
    if not letters or (not spelling.separator and not named and not ("B" in letters and set("IMEL") & set(letters))):
        return None
    whole = Spelling(spelling.separator, spelling.is_suffix, _alphabet(letters))
    right = sum(count for label, count in labelled.items() if whole.split(label))
    return Spelled(whole, 1 - right / sum(labelled.values()))


def _letters(spelling: Spelling, words: Mapping[str, int]) -> Counter[str]:
    """How many words have each letter, of the labels that are spelled so."""
    letters: Counter[str] = Counter()
    for label, count in words.items():
        if found := spelling.letter_and_type(label):
            letters[found[0]] += count
    return letters


def _alphabet(letters: Counter[str]) -> str:
    """The letters for B, I, E and S: of each role the one that most words have, else what goes with the others."""
    single = max("SUW", key=lambda letter: letters[letter])
    end = max("EL", key=lambda letter: letters[letter])
    inside = max("IM", key=lambda letter: letters[letter])
    if not letters[single]:
        single = "U" if letters["L"] else "S"
    if not letters[end]:
        end = "L" if single == "U" else "E"
    if not letters[inside]:
        inside = "M" if single == "W" else "I"
    return "B" + inside + end + single


def patterns(labelling: Labelling, sentences: Iterable[Sequence[str]]) -> Counter[Pattern]:
    """How often each pattern of roles occurs; the labelling's spelling alone counts, not its scheme."""
    found: Counter[Pattern] = Counter()
    for labels in sentences:
        spans = labelling.spans(labels)
        entities = [entity for entity, _ in spans]
        found.update((roles, *touching(entities, index)) for index, (_, roles) in enumerate(spans))
    return found


def is_well_formed(pattern: Pattern, scheme: Scheme) -> bool:
    """Whether the scheme labels such an entity so."""
    roles, follows, is_followed = pattern
    return roles == roles_of(scheme, len(roles), follows=follows, is_followed=is_followed)


def find_scheme(train: Mapping[Pattern, int], whole: Mapping[Pattern, int]) -> Scheme:
    """The scheme in which the fewest words of train are in entities that are not well-formed, then of all splits.

    Of several the first of `Scheme`.
    """

    def wrong(counts: Mapping[Pattern, int], scheme: Scheme) -> int:
        return sum(len(one[0]) * count for one, count in counts.items() if not is_well_formed(one, scheme))

    schemes: tuple[Scheme, ...] = get_args(Scheme)
    return min(schemes, key=lambda scheme: (wrong(train, scheme), wrong(whole, scheme)))


def labelling_of_names(names: Iterable[str], scheme: str = "auto") -> Labelling | None:
    """What the labels of a model mark, by their names alone; None where they are plain.

    IOB1 is not told from IOB2, nor IOE1 from IOE2: predictions in them are read alike.

    Args:
        names: All labels of the model.
        scheme: The recipe's `task.scheme`.
    """
    occurring = set(names) - {OUTSIDE}
    spelled = None if scheme == "plain" else find_spelling(dict.fromkeys(occurring, 1), named=scheme != "auto")
    if spelled is None or spelled.strays > 0:
        return None
    split = map(spelled.spelling.letter_and_type, occurring)
    roles = {ROLE_OF[found[0]] for found in split if found}
    order: tuple[Scheme, ...] = ("iob2", "ioe2", "bios", "bioe", "iobes")
    return Labelling(next(scheme for scheme in order if roles <= set(ROLES[scheme])), spelled.spelling)
