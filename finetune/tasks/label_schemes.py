"""Detection of the label scheme, from the spelling of labels and from the entities that they mark."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

from finetune.tasks.labelling import OUTSIDE, ROLE_OF, ROLES, Labelling, Scheme, Spelling, roles_of, touching

MOST_STRAYS = 0.25
"""The share of labelled words up to which labels of another spelling are reported as mistakes. Where there are more,
the labels are taken for plain ones."""

_SPELLINGS = (Spelling("-"), Spelling("_"), Spelling("-", is_suffix=True), Spelling("_", is_suffix=True), Spelling(""))

NAMED: dict[str, Scheme] = {scheme: scheme for scheme in get_args(Scheme)} | dict.fromkeys(
    ("bmes", "bilou", "bmewo"), "iobes"
)
"""The schemes by the names that `task.scheme` can have."""

Pattern = tuple[str, bool, bool]
"""The roles by which an entity's words are labelled, whether an entity of the same type ends right before it, and
whether one begins right after it."""


@dataclass(frozen=True)
class Spelled:
    """The spelling of most labels.

    Args:
        spelling: The spelling.
        strays: The share of words whose labels are spelled in another way, among words with another label than O.
    """

    spelling: Spelling
    strays: float


def find_spelling(words: Mapping[str, int], *, named: bool = False) -> Spelled | None:
    """Find the spelling of labels.

    Args:
        words: The number of words with each label.
        named: Whether the labels are known to mark entities. Otherwise labels of a single letter are taken for labels
            of entities only where there is B, and I, M, E or L: a plain class may be called B.

    Returns:
        The spelling that most words have; None where no label but O has a known spelling.
    """
    labelled = {label: count for label, count in words.items() if label != OUTSIDE}
    found = [(spelling, _letters(spelling, labelled)) for spelling in _SPELLINGS]
    spelling, letters = max(found, key=lambda one: one[1].total())  # of equal counts the first
    if not letters or (not spelling.separator and not named and not ("B" in letters and set("IMEL") & set(letters))):
        return None
    whole = Spelling(spelling.separator, spelling.is_suffix, _alphabet(letters))
    right = sum(count for label, count in labelled.items() if whole.split(label))
    return Spelled(whole, 1 - right / sum(labelled.values()))


def _letters(spelling: Spelling, words: Mapping[str, int]) -> Counter[str]:
    """Return the number of words with each letter, among the labels with this spelling."""
    letters: Counter[str] = Counter()
    for label, count in words.items():
        if found := spelling.letter_and_type(label):
            letters[found[0]] += count
    return letters


def _alphabet(letters: Counter[str]) -> str:
    """Return the letters for B, I, E and S: the most frequent of each role, or the one that goes with the others."""
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
    """Return how often each pattern of roles occurs. Only the spelling of the labelling matters, not its scheme."""
    found: Counter[Pattern] = Counter()
    for labels in sentences:
        spans = labelling.spans(labels)
        entities = [entity for entity, _ in spans]
        found.update((roles, *touching(entities, index)) for index, (_, roles) in enumerate(spans))
    return found


def is_well_formed(pattern: Pattern, scheme: Scheme) -> bool:
    """Return whether an entity with this pattern is labelled as the scheme labels it."""
    roles, follows, is_followed = pattern
    return roles == roles_of(scheme, len(roles), follows=follows, is_followed=is_followed)


def find_scheme(train: Mapping[Pattern, int], whole: Mapping[Pattern, int]) -> Scheme:
    """Return the scheme in which the fewest words belong to entities that are not well-formed.

    Args:
        train: How often each pattern of roles occurs in the train split, which is decisive.
        whole: How often each pattern occurs in all splits, which decides between equal schemes; after that the order of
            `Scheme` does.
    """

    def wrong(counts: Mapping[Pattern, int], scheme: Scheme) -> int:
        return sum(len(one[0]) * count for one, count in counts.items() if not is_well_formed(one, scheme))

    schemes: tuple[Scheme, ...] = get_args(Scheme)
    return min(schemes, key=lambda scheme: (wrong(train, scheme), wrong(whole, scheme)))


def labelling_of_names(names: Iterable[str], scheme: str = "auto") -> Labelling | None:
    """Return the labelling of a model's labels, by their names alone; None where they are plain.

    IOB1 cannot be distinguished from IOB2 by names, nor IOE1 from IOE2; predictions in them are read in the same way.

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
