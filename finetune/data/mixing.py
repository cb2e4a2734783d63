"""Several data sets made one: each source's share of the train split follows its weight."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

import numpy as np
from datasets import Dataset, Value, concatenate_datasets

from finetune.data.batches import Indices
from finetune.data.labels import sort_labels
from finetune.data.loaded import LoadedData, Locate
from finetune.errors import UserError
from finetune.recipe import Data


def mix(parts: Sequence[LoadedData], weights: Sequence[float | None], data: Data) -> LoadedData:
    """Return one train split in which the sources alternate, and all their dev and all their test examples.

    Args:
        parts: Each source's examples.
        weights: Each source's weight; None for all of them where each example is to be there once.
        data: Holds the sources, the seed and the classes where they are given.

    Raises:
        UserError: Sources whose columns differ in type.
    """
    _check_alike(parts)
    names = [_name(number, data) for number in range(len(parts))]
    counts = [len(part.train) for part in parts]
    drawn = shares(counts, weights, data.split_seed)
    train = concatenate_datasets(_renumbered([part.train for part in parts]))
    starts = np.cumsum([0, *counts[:-1]])
    whole = _alternating([indices + start for indices, start in zip(drawn, starts, strict=True)])
    mixed = ", ".join(f"{len(one):,} of {name}" for one, name in zip(drawn, names, strict=True))
    note = f"train is mixed: {mixed} ({len(whole):,} examples an epoch)"
    notes = [f"{name}: {note}" for part, name in zip(parts, names, strict=True) for note in part.notes]
    return LoadedData(
        train=train.select(whole),
        dev=concatenate_datasets(_renumbered([part.dev for part in parts])),
        test=concatenate_datasets(_renumbered([part.test for part in parts])),
        labels={name: _union([part.labels[name] for part in parts]) for name in parts[0].labels},
        notes=(*notes, note),
        where=_where(parts),
        warnings=tuple(warning for part in parts for warning in part.warnings),
    )


def shares(counts: Sequence[int], weights: Sequence[float | None], seed: int) -> list[Indices]:
    """Return the indices of the examples of each source that make up an epoch, in order.

    An epoch is as long as it takes to have every example of every source at least once in the proportions of the
    weights. A source that has fewer than its share is repeated: each of its examples is there n or n + 1 times, and
    which are there once more is drawn from the seed.

    Args:
        counts: Examples of each source.
        weights: The weight of each source; None for all of them where each example occurs once.
        seed: Seed of the random choice.
    """
    given = [count if weight is None else weight for count, weight in zip(counts, weights, strict=True)]
    per_weight = max(count / weight for count, weight in zip(counts, given, strict=True))
    generator = np.random.RandomState(seed)
    drawn = []
    for count, weight in zip(counts, given, strict=True):
        times, more = divmod(max(round(per_weight * weight), count), count)
        extra = np.sort(generator.permutation(count)[:more])
        drawn.append(np.concatenate([*[np.arange(count)] * times, extra]).astype(np.int64))
    return drawn


def _alternating(parts: Sequence[Indices]) -> Indices:
    """Return all indices with each part spread evenly, so that every stretch is mixed in the same proportions."""
    places = np.concatenate([(np.arange(len(part)) + 0.5) / max(len(part), 1) for part in parts])
    whole: Indices = np.concatenate(parts)[np.argsort(places, kind="stable")]
    return whole


def _renumbered(splits: Sequence[Dataset]) -> list[Dataset]:
    """Return the splits with ids that differ between sources: each source continues where the one before ends."""
    renumbered = []
    for split, start in zip(splits, _starts(splits), strict=True):
        ids = np.asarray(split.with_format("arrow")["id"][:]) + start
        ids_first = split.remove_columns("id").add_column("id", ids, feature=Value("int64"))
        renumbered.append(ids_first.select_columns(split.column_names))
    return renumbered


def _starts(splits: Sequence[Dataset]) -> list[int]:
    """Return the offset that is added to the ids of each source's examples."""
    starts = [0]
    for split in splits:
        ids = np.asarray(split.with_format("arrow")["id"][:])
        starts.append(starts[-1] + int(ids.max(initial=-1)) + 1)
    return starts[:-1]


def _where(parts: Sequence[LoadedData]) -> Locate:
    """Return a function that names the source and the place of an example of the mixed splits."""
    starts = {split: _starts([getattr(part, split) for part in parts]) for split in ("train", "dev", "test")}

    def where(split: str, example: int) -> str:
        number = bisect_right(starts[split], example) - 1
        return f"data.sources[{number}]: {parts[number].where(split, example - starts[split][number])}"

    return where


def _check_alike(parts: Sequence[LoadedData]) -> None:
    unlabelled = [number for number, part in enumerate(parts) if len(part.test.features) < len(part.train.features)]
    if unlabelled and len(unlabelled) < len(parts):
        raise UserError(
            "some sources have a test split with labels, and others one without",
            where=", ".join(f"data.sources[{number}]" for number in unlabelled),
            found="no labels there",
            fix="leave these test files out (from the Hub: splits: {test: null}), and a test split is cut from train",
        )
    first = parts[0].train.features
    for number, part in enumerate(parts[1:], start=1):
        different = [name for name, feature in part.train.features.items() if first.get(name) != feature]
        if different:
            raise UserError(
                f"sources hold different things as {different[0]!r}",
                where=f"data.sources[0] and data.sources[{number}]",
                found=f"{first.get(different[0])} and {part.train.features[different[0]]}",
                fix="write the values in one way",
            )


def _union(names: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the classes of all sources, in their common order if they have one, and sorted otherwise."""
    return names[0] if len(set(names)) == 1 else sort_labels(set().union(*names))


def _name(number: int, data: Data) -> str:
    source = data.sources[number]
    origin: Any = source.function or source.path or source.name or source.sample
    return f"data.sources[{number}] ({origin if isinstance(origin, str) else ', '.join(origin)})"
