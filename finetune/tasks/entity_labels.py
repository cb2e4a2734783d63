"""The labels of a data set of entities: their scheme is detected and noted, and mistakes in it are reported."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow.compute as pc
from datasets import Dataset

from finetune.data import LoadedData
from finetune.data.labels import NO_TARGET
from finetune.data.messages import plural, shorten_list
from finetune.errors import UserError
from finetune.tasks.label_schemes import (
    MOST_STRAYS,
    NAMED,
    Pattern,
    find_scheme,
    find_spelling,
    is_well_formed,
    patterns,
)
from finetune.tasks.labelling import OUTSIDE, ROLES, Labelling, Scheme, Spelling

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class _Found:
    """A word with its label.

    Args:
        label: The label.
        word: The word.
        number: The number of the word in its sentence, from 1.
        where: The place of the sentence, as the user knows it: file and row.
    """

    label: str
    word: str
    number: int
    where: str


def read_labels(loaded: LoadedData, named: str) -> LoadedData:
    """Return the examples with all entities labelled as their scheme labels them, and a note on the scheme.

    Labels of well-formed entities stay as they are.

    Args:
        loaded: The examples, with the columns `tokens` and `labels`, each a list of strings.
        named: The recipe's `task.scheme`.

    Raises:
        UserError: Some labels do not belong to the scheme that is named or that most labels follow, or mark no entity
            that the scheme counts.
    """
    if named == "plain":
        return _plain(loaded, "as task.scheme=plain asks for")
    data = _Labels(loaded)
    occurring = data.words["train"] if set(data.words["train"]) - {OUTSIDE} else data.whole
    spelled = find_spelling(occurring, named=named != "auto")
    if spelled is None:
        return _without_spelling(data, named)
    labelling = Labelling(_scheme(data, spelled.spelling, named), spelled.spelling)
    strays = [label for label in data.whole if label != OUTSIDE and not labelling.spelling.split(label)]
    if strays and named == "auto" and spelled.strays > MOST_STRAYS:
        return _plain(loaded, f"since many mark no entity: {shorten_list(sorted(strays), most=3)}")
    if odd := sorted(label for label in data.whole if not labelling.has(label)):
        raise _outside_scheme(data, odd, labelling, named)
    return _read_entities(data, labelling, named)


class _Labels:
    """The labels of all splits, with counts, and with the places of words."""

    def __init__(self, loaded: LoadedData) -> None:
        self.loaded = loaded
        self.words = {split: _counts(getattr(loaded, split)) for split in SPLITS}
        """The number of words with each label, by split."""
        for counts in self.words.values():
            del counts[NO_TARGET]

    @cached_property
    def whole(self) -> Counter[str]:
        """The number of words with each label in all splits."""
        return sum(self.words.values(), Counter[str]())

    def patterns(self, spelling: Spelling, *, whole: bool) -> dict[str, Counter[Pattern]]:
        """Return how often each pattern of roles occurs in each split.

        Args:
            spelling: The spelling of the labels that are counted.
            whole: Whether sentences that have words without a target are left out, since the first word of an entity
                may be such a word. Otherwise only these words are left out.
        """
        return {
            split: patterns(Labelling("iob2", spelling), map(_targets, filter(_is_whole if whole else None, rows)))
            for split, rows in ((split, self.rows(split)) for split in SPLITS)
        }

    def rows(self, split: str) -> Iterator[list[str]]:
        """Yield the labels of each sentence of a split."""
        for batch in getattr(self.loaded, split).select_columns(["labels"]).with_format("arrow").iter(1000):
            yield from batch["labels"].to_pylist()

    def first(self, wrong: Callable[[Sequence[str]], int | None]) -> _Found:
        """Return the first word with a wrong label.

        Args:
            wrong: A function that returns the index of the first word with a wrong label in a sentence, or None.
        """
        for split in SPLITS:
            for index, labels in enumerate(self.rows(split)):
                word = wrong(labels)
                if word is not None:
                    row = getattr(self.loaded, split)[index]
                    return _Found(labels[word], row["tokens"][word], word + 1, self.loaded.where(split, row["id"]))
        raise ValueError("no sentence has such a label")


def _is_whole(labels: Sequence[str]) -> bool:
    return NO_TARGET not in labels


def _targets(labels: list[str]) -> list[str]:
    return labels if _is_whole(labels) else [label for label in labels if label != NO_TARGET]


def _counts(split: Dataset) -> Counter[str]:
    column = split.select_columns(["labels"]).with_format("arrow")[:]["labels"]
    counts = pc.value_counts(pc.list_flatten(column)).to_pylist()
    return Counter({one["values"]: one["counts"] for one in counts if one["values"] is not None})


def _plain(loaded: LoadedData, why: str) -> LoadedData:
    return replace(loaded, notes=(*loaded.notes, f"labels are read as plain classes of words, {why}"))


def _without_spelling(data: _Labels, named: str) -> LoadedData:
    """Return the examples with a note that no label marks an entity for certain.

    Raises:
        UserError: The recipe names a scheme, and the labels do not belong to it.
    """
    labels = sorted(set(data.whole) - {OUTSIDE})
    loaded = data.loaded
    if not labels:
        reason = f"since there is no label but {OUTSIDE}"
        loaded = replace(loaded, warnings=(*loaded.warnings, _no_entities(data)))
    elif find_spelling(data.whole, named=True):
        reason = f"since {shorten_list(labels, most=3)} can be anything (task.scheme=... names a scheme of entities)"
    else:
        numbers = " (data.labels=[...] gives numbers names)" if all(map(str.isdecimal, labels)) else ""
        examples = shorten_list(labels, most=3)
        reason = f"since they have no B, I, E or S before or after a type, such as B-PER: {examples}{numbers}"
    if named == "auto":
        return _plain(loaded, reason)
    if labels:
        raise _outside_scheme(data, labels, Labelling(NAMED[named]), named)
    return replace(loaded, notes=(*loaded.notes, f"labels are read as {named}; {reason[6:]}"))


def _no_entities(data: _Labels) -> UserError:
    return UserError(
        f"all words are labelled {OUTSIDE}, so that there is nothing to learn",
        where=data.loaded.where("train", 0),
        found=f"{plural(data.whole[OUTSIDE], 'word')} labelled {OUTSIDE}, and no other",
        fix="data.columns.labels=... names another column; files without a header get their names by "
        "data.column_names=[...]",
    )


def _scheme(data: _Labels, spelling: Spelling, named: str) -> Scheme:
    """Return the scheme that the recipe names, or else the one that is detected."""
    if named != "auto":
        return NAMED[named]
    found = data.patterns(spelling, whole=False)
    return find_scheme(found["train"], sum(found.values(), Counter[Pattern]()))


def _read_entities(data: _Labels, labelling: Labelling, named: str) -> LoadedData:
    counts = sum(data.patterns(labelling.spelling, whole=True).values(), Counter[Pattern]())
    unformed = Counter({one: count for one, count in counts.items() if not is_well_formed(one, labelling.scheme)})
    if unformed and labelling.is_strict and named == "auto":
        raise _not_counted(data, labelling, sum(len(roles) * count for (roles, *_), count in unformed.items()))
    names, name_notes = _names(data, labelling)
    notes = [f"labels are read as {labelling.name}, entities labelled {_examples(labelling, names)}", *name_notes]
    splits = {}
    if unformed:
        notes.append(_rewritten(data, labelling, unformed.total(), counts.total()))
        splits = {split: _rewrite(getattr(data.loaded, split), labelling) for split in SPLITS}
    return replace(data.loaded, **splits, labels={"labels": names}, notes=(*data.loaded.notes, *notes))


def _names(data: _Labels, labelling: Labelling) -> tuple[tuple[str, ...], list[str]]:
    """Return the labels of the model, and a note on declared labels that are left out."""
    declared = data.loaded.labels["labels"]
    names = labelling.label_names(labelling.types([*declared, *data.whole]))
    unused = [label for label in declared if label not in data.whole and not labelling.has(label)]
    return names, [
        f"left out, since they mark no entity and no word has them: {shorten_list(unused)}"
    ] if unused else []


def _rewrite(split: Dataset, labelling: Labelling) -> Dataset:
    def write(batch: Mapping[str, list[Any]]) -> dict[str, list[list[str]]]:
        return {"labels": [_rewritten_row(labels, labelling) for labels in batch["labels"]]}

    return split.map(write, batched=True)


def _rewritten_row(labels: list[str], labelling: Labelling) -> list[str]:
    return labelling.write(labelling.read(labels), len(labels)) if _is_whole(labels) else labels


def _examples(labelling: Labelling, names: Sequence[str]) -> str:
    """Return the labels of one type for a message: `B-PER, I-PER`."""
    return ", ".join(names[1 : 1 + len(ROLES[labelling.scheme])])


def _rewritten(data: _Labels, labelling: Labelling, wrong: int, count: int) -> str:
    first = data.first(lambda labels: _first_unformed(labels, labelling))
    return (
        f"{wrong:,} of {count:,} entities are not labelled as {labelling.name} labels them, and are learned and "
        f"counted as if they were; the first: {first.label!r} at word {first.number} ({first.word!r}) in {first.where}"
    )


def _first_unformed(labels: Sequence[str], labelling: Labelling) -> int | None:
    """Return the index of the first word whose label differs from that of the scheme, or None."""
    if not _is_whole(labels):
        return None
    right = labelling.write(labelling.read(labels), len(labels))
    return next((word for word, label in enumerate(labels) if label != right[word]), None)


def _not_counted(data: _Labels, labelling: Labelling, wrong: int) -> UserError:
    """Return the error to raise for labelled words that belong to no entity that would be counted."""
    first = data.first(lambda labels: _first_unformed(labels, labelling))
    long, short = (labelling.write([("X", 0, length)], length) for length in (3, 1))
    return UserError(
        f"{plural(wrong, 'labelled word')} in no entity as {labelling.name} counts them",
        expected=f"entities labelled {' '.join(long)}, or {' '.join(short)} for a single word",
        found=f"{first.label!r} at word {first.number} ({first.word!r})",
        where=first.where,
        fix=f"correct the labels; or task.scheme={labelling.name}, which takes neighbouring words of one type as an "
        "entity that is labelled wrongly",
    )


def _outside_scheme(data: _Labels, odd: Sequence[str], labelling: Labelling, named: str) -> UserError:
    """Return the error to raise for labels that the scheme does not have."""
    first = data.first(lambda labels: next((word for word, label in enumerate(labels) if label in odd), None))
    count = sum(data.whole[label] for label in odd)
    labelled = data.whole.total() - data.whole[OUTSIDE]
    name = labelling.name if named == "auto" else named
    other = "" if named == "auto" else "; or task.scheme=auto, which tells the scheme from the labels"
    return UserError(
        f"the labels are not all in the scheme {name}",
        expected=f"one of: {', '.join(labelling.label_names(['PER']))}"
        + (" (and other types)" if labelling.spelling.separator else ""),
        found=f"{first.label!r} at word {first.number} ({first.word!r}); "
        f"{count:,} of {plural(labelled, 'labelled word')} have such labels: {shorten_list(odd, most=10)}",
        where=first.where,
        fix=f"correct the labels; or task.scheme=plain, which scores every word's label as a class of its own{other}",
    )
