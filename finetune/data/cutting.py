"""Splits that the data lack, cut from train."""

from dataclasses import dataclass

import numpy as np

from finetune.data.batches import Indices
from finetune.data.groups import group_keys
from finetune.data.rows import ColumnValues
from finetune.errors import UserError
from finetune.recipe import Data


@dataclass(frozen=True)
class SplitIndices:
    """Which examples of the train split, by index, go where; `parts` holds only the splits that were missing."""

    train: list[int]
    parts: dict[str, list[int]]
    notes: tuple[str, ...]


def cut(
    num_examples: int, missing: list[str], data: Data, name: str, groups: ColumnValues | None = None
) -> SplitIndices:
    """Cut the missing ones of dev and test from train, by a permutation that depends on split_seed alone.

    Shares are of the train split as read, whether one split is cut or two; examples keep its order.

    Args:
        num_examples: Length of the train split.
        missing: Names of the splits to cut.
        data: Holds dev_share, test_share and split_seed.
        name: Of the train split, for messages.
        groups: Of each example the group that is to stay in one split; an example without one is a group of its own.

    Raises:
        UserError: Too few examples: a split would be empty.
    """
    shares = {split: getattr(data, f"{split}_share") for split in missing}
    sizes = {split: round(num_examples * share) for split, share in shares.items()}
    left = num_examples - sum(sizes.values())
    if min(sizes.values()) < 1 or left < 1:
        raise _too_few(num_examples, shares, name)
    # numpy promises RandomState the same stream in every release: a split must outlive an upgrade.
    generator = np.random.RandomState(data.split_seed)
    if groups is None:
        order = generator.permutation(num_examples)
        *cuts, train = np.split(order, np.cumsum(list(sizes.values())))
        parts = dict(zip(missing, cuts, strict=True))
    else:
        parts, train = _cut_groups(_numbered(groups), sizes, generator)
        if not len(train) or not all(map(len, parts.values())):
            raise _too_few_groups(data, missing, name)
    together = "" if groups is None else f", groups of {data.group_column} together,"
    return SplitIndices(
        train=np.sort(train).tolist(),
        parts={split: np.sort(part).tolist() for split, part in parts.items()},
        notes=tuple(
            f"no {split} split: cut {100 * len(parts[split]) / num_examples:.3g}% "
            f"({len(parts[split]):,} of {num_examples:,} examples){together} from train with seed {data.split_seed}"
            for split in missing
        ),
    )


def _cut_groups(
    groups: Indices, sizes: dict[str, int], generator: np.random.RandomState
) -> tuple[dict[str, Indices], Indices]:
    """Fill each split with whole groups in random order; one that would take it further from its size is left out.

    Args:
        groups: Each example's group, numbered from 0; int64, [examples].
        sizes: How many examples each split is to have.
        generator: Fixes the order.
    """
    counts = np.bincount(groups)
    free = generator.permutation(len(counts)).tolist()
    parts = {}
    for split, size in sizes.items():
        taken, filled = [], 0
        for group in free:
            if abs(filled + counts[group] - size) < abs(filled - size):
                taken.append(group)
                filled += counts[group]
        taken = taken or [min(free, key=lambda group: int(counts[group]))] if free else []
        free = [group for group in free if group not in set(taken)]
        parts[split] = np.flatnonzero(np.isin(groups, taken))
    return parts, np.flatnonzero(np.isin(groups, free))


def _numbered(groups: ColumnValues) -> Indices:
    """Return each example's group as a number, counted in the order of their first examples."""
    keys = group_keys(groups)
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def _too_few_groups(data: Data, missing: list[str], name: str) -> UserError:
    return UserError(
        f"there are too few groups to cut {' and '.join(missing)} from train",
        where=f"{name}, column {data.group_column!r} (data.group_column)",
        expected="at least one group for each split",
        fix="name a column with more values, or give a file or split of its own",
    )


def _too_few(num_examples: int, shares: dict[str, float], name: str) -> UserError:
    wanted = " and ".join(f"{share:.4g} for {split}" for split, share in shares.items())
    keys = [f"data.{split}_share=..." for split in shares]
    return UserError(
        f"{num_examples:,} examples are too few to cut {' and '.join(shares)} from them",
        where=name,
        expected=f"at least one example for each split, with shares of {wanted}",
        fix=f"give a file or split of its own, or other shares ({', '.join(keys)})",
    )
