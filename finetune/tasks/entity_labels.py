"""The labels of a data set: their scheme is told, said and checked, and every labelled word belongs to an entity."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow.compute as pc
from datasets import Dataset

from finetune.data import Loaded
from finetune.data.problems import plural, some
from finetune.errors import UserError
from finetune.tasks.label_schemes import (
    MOST_STRAYS,
    NAMED,
    Pattern,
    find_scheme,
    find_spelling,
    is_allowed,
    is_well_formed,
    patterns,
)
from finetune.tasks.labelling import OUTSIDE, ROLES, Labelling, Scheme, Spelling, roles_of, touching

SPLITS = ("train", "dev", "test")
_PLAIN = "task.scheme=plain scores every word's label as a class of its own"


@dataclass(frozen=True)
class _Found:
    """What is wrong with one word's label, if anything is."""

    label: str
    word: str
    number: int
    where: str


def read_labels(loaded: Loaded, named: str) -> Loaded:
    """Write the labels of all splits as their scheme writes them, and note which scheme that is.

    Labels that are well-formed stay as they are.

    Args:
        loaded: The examples, with the columns `tokens` and `labels`, a list of strings each.
        named: The recipe's `task.scheme`.

    Raises:
        UserError: Some labels are of no scheme, or not of the one that is named or that most are of, or belong to no
            entity as their scheme counts them.
    """
    if named == "plain":
        return _plain(loaded, "as task.scheme=plain asks for")
    data = _Labels(loaded)
    occurring = data.words["train"] if set(data.words["train"]) - {OUTSIDE} else data.whole
    spelled = find_spelling(occurring, named=named != "auto")
    if spelled is None:
        return _without_spelling(data, named)
    strays = sorted(label for label in data.whole if label != OUTSIDE and not spelled.spelling.split(label))
    if strays:
        if named == "auto" and spelled.strays > MOST_STRAYS:
            return _plain(loaded, f"since many mark no entity: {some(strays, most=3)}")
        raise _strays(data, strays, spelled.spelling, named)
    return _read_entities(data, spelled.spelling, named)


class _Labels:
    """The labels of all splits, and where they are."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.words = {split: _counts(getattr(loaded, split)) for split in SPLITS}
        """How many words of each split have each label."""

    @cached_property
    def whole(self) -> Counter[str]:
        """How many words of all splits have each label."""
        return sum(self.words.values(), Counter[str]())

    def patterns(self, spelling: Spelling) -> dict[str, Counter[Pattern]]:
        """How often each split has each pattern of roles, of the labels that are spelled so."""
        return {split: patterns(Labelling("iob2", spelling), self.rows(split)) for split in SPLITS}

    def rows(self, split: str) -> Iterator[list[str]]:
        """The labels of each sentence of a split."""
        for batch in getattr(self.loaded, split).select_columns(["labels"]).with_format("arrow").iter(1000):
            yield from batch["labels"].to_pylist()

    def first(self, wrong: Callable[[Sequence[str]], int | None]) -> _Found:
        """The first word that `wrong` finds in the labels of a sentence."""
        for split in SPLITS:
            for index, labels in enumerate(self.rows(split)):
                word = wrong(labels)
                if word is not None:
                    row = getattr(self.loaded, split)[index]
                    return _Found(labels[word], row["tokens"][word], word + 1, self.loaded.where(split, row["id"]))
        raise ValueError("no sentence has such a label")


def _counts(split: Dataset) -> Counter[str]:
    column = split.select_columns(["labels"]).with_format("arrow")[:]["labels"]
    counts = pc.value_counts(pc.list_flatten(column)).to_pylist()
    return Counter({one["values"]: one["counts"] for one in counts if one["values"] is not None})


def _plain(loaded: Loaded, why: str) -> Loaded:
    return replace(loaded, notes=(*loaded.notes, f"labels are read as plain classes of words, {why}"))


def _without_spelling(data: _Labels, named: str) -> Loaded:
    """Labels none of which marks an entity, or of which that is not sure."""
    labels = sorted(set(data.whole) - {OUTSIDE})
    if not labels:
        reason = f"since there is no label but {OUTSIDE}"
    elif find_spelling(data.whole, named=True):
        reason = f"since {some(labels, most=3)} can be anything (task.scheme=... names a scheme of entities)"
    else:
        reason = f"since they have no B, I, E or S before or after a type, such as B-PER: {some(labels, most=3)}"
    if named == "auto":
        return _plain(data.loaded, reason)
    if labels:
        raise _strays(data, labels, Spelling(), named)
    return replace(data.loaded, notes=(*data.loaded.notes, f"labels are read as {named}; {reason[6:]}"))


def _scheme(found: Mapping[str, Counter[Pattern]], named: str) -> Scheme:
    return NAMED[named] if named != "auto" else find_scheme(found["train"], _total(found))


def _total(found: Mapping[str, Counter[Pattern]]) -> Counter[Pattern]:
    return sum(found.values(), Counter[Pattern]())


def _read_entities(data: _Labels, spelling: Spelling, named: str) -> Loaded:
    found = data.patterns(spelling)
    whole, scheme = _total(found), _scheme(found, named)
    labelling = Labelling(scheme, spelling)
    refused = [one for one in whole if not is_allowed(one, labelling, named=named != "auto")]
    if refused:
        raise _not_of_scheme(data, labelling, whole, named)
    names, name_notes = _names(data, labelling)
    notes = [f"labels are read as {labelling.name}, entities labelled {_examples(labelling, names)}", *name_notes]
    splits = {}
    if wrong := sum(count for one, count in whole.items() if not is_well_formed(one, scheme)):
        notes.append(_rewritten(data, labelling, wrong, whole.total()))
        splits = {split: _rewrite(getattr(data.loaded, split), labelling) for split in SPLITS}
    return replace(data.loaded, **splits, labels={"labels": names}, notes=(*data.loaded.notes, *notes))


def _names(data: _Labels, labelling: Labelling) -> tuple[tuple[str, ...], list[str]]:
    """The labels of the model, and a note on declared ones that are not among them."""
    declared = data.loaded.labels["labels"]
    names = labelling.label_names(labelling.types([*declared, *data.whole]))
    unused = [label for label in declared if label not in data.whole and not _is_label(label, labelling)]
    return names, [f"left out, since they mark no entity and no word has them: {some(unused)}"] if unused else []


def _is_label(label: str, labelling: Labelling) -> bool:
    return label == OUTSIDE or labelling.spelling.split(label) is not None


def _rewrite(split: Dataset, labelling: Labelling) -> Dataset:
    def write(batch: Mapping[str, list[Any]]) -> dict[str, list[list[str]]]:
        return {"labels": [labelling.write(labelling.read(labels), len(labels)) for labels in batch["labels"]]}

    return split.map(write, batched=True)


def _examples(labelling: Labelling, names: Sequence[str]) -> str:
    """The labels of one type: `B-PER, I-PER`."""
    return ", ".join(names[1 : 1 + len(ROLES[labelling.scheme])])


def _rewritten(data: _Labels, labelling: Labelling, wrong: int, count: int) -> str:
    first = data.first(lambda labels: _first_unformed(labels, labelling))
    return (
        f"{wrong:,} of {count:,} entities are not labelled as {labelling.name} labels them, and are learned and "
        f"counted as if they were; the first: {first.label!r} at word {first.number} ({first.word!r}) in {first.where}"
    )


def _first_unformed(labels: Sequence[str], labelling: Labelling, *, only_foreign: bool = False) -> int | None:
    """The first word whose label is another than that of the scheme; of foreign ones, whose role the scheme lacks."""
    spans = labelling.spans(labels)
    entities = [entity for entity, _ in spans]
    for index, ((_, start, end), roles) in enumerate(spans):
        follows, is_followed = touching(entities, index)
        right = roles_of(labelling.scheme, end - start, follows=follows, is_followed=is_followed)
        for offset, (role, expected) in enumerate(zip(roles, right, strict=True)):
            if role not in ROLES[labelling.scheme] if only_foreign else role != expected:
                return start + offset
    return None


def _not_of_scheme(data: _Labels, labelling: Labelling, whole: Mapping[Pattern, int], named: str) -> UserError:
    """Tell the first label that is none of the scheme's, else the first that belongs to no entity that counts."""
    roles = ROLES[labelling.scheme]
    foreign = any(role not in roles for pattern, _, _ in whole for role in pattern)
    first = data.first(lambda labels: _first_unformed(labels, labelling, only_foreign=foreign))
    if foreign:
        return _outside_scheme(first, labelling.spelling, roles, labelling.name, named)
    wrong = sum(len(one[0]) * count for one, count in whole.items() if not is_well_formed(one, labelling.scheme))
    return UserError(
        f"{plural(wrong, 'labelled word')} in no entity as {labelling.name} counts them",
        expected=f"entities labelled {_wanted(labelling)}",
        found=f"{first.label!r} at word {first.number} ({first.word!r})",
        where=first.where,
        fix=f"correct the labels; or task.scheme={labelling.name}, which takes neighbouring words of one type as an "
        "entity that is labelled wrongly",
    )


def _wanted(labelling: Labelling) -> str:
    """A long and a short entity as the scheme writes them."""
    kind = "X"
    long, short = (labelling.write([(kind, 0, length)], length) for length in (3, 1))
    return f"{' '.join(long)}, or {' '.join(short)} for a single word"


def _strays(data: _Labels, strays: Sequence[str], spelling: Spelling, named: str) -> UserError:
    odd = set(strays)
    first = data.first(lambda labels: next((word for word, label in enumerate(labels) if label in odd), None))
    scheme = _scheme(data.patterns(spelling), named)
    name = named if named != "auto" else Labelling(scheme, spelling).name
    count = sum(data.whole[label] for label in strays)
    labelled = sum(count for label, count in data.whole.items() if label != OUTSIDE)
    of_all = f"; {count:,} of {plural(labelled, 'labelled word')} have such labels: {some(strays, most=10)}"
    return _outside_scheme(first, spelling, ROLES[scheme], name, named, of_all)


def _outside_scheme(
    first: _Found, spelling: Spelling, roles: str, scheme: str, named: str, of_all: str = ""
) -> UserError:
    fix = f"correct the label; or {_PLAIN}"
    return UserError(
        f"the labels are not all in the scheme {scheme}",
        expected=f"{OUTSIDE}, or {', '.join(spelling.join(role, 'PER') for role in roles)} with any type"
        if spelling.separator
        else f"{OUTSIDE}, or {', '.join(spelling.join(role, '') for role in roles)}",
        found=f"{first.label!r} at word {first.number} ({first.word!r}){of_all}",
        where=first.where,
        fix=fix if named == "auto" else f"{fix}; or task.scheme=auto, which tells the scheme from the labels",
    )
