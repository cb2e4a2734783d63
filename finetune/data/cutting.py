"""Splits that the data lack, cut from train."""

from dataclasses import dataclass

import numpy as np

from finetune.errors import UserError
from finetune.recipe import Data


@dataclass(frozen=True)
class Cut:
    """Which examples of the train split, by index, go where; `parts` holds only the splits that were missing."""

    train: list[int]
    parts: dict[str, list[int]]
    notes: tuple[str, ...]


def cut(num_examples: int, missing: list[str], data: Data, name: str) -> Cut:
    """Cut the missing ones of dev and test from train, by a permutation that depends on split_seed alone.

    Shares are of the train split as read, whether one split is cut or two; examples keep its order.

    Args:
        num_examples: Length of the train split.
        missing: Names of the splits to cut.
        data: Holds dev_share, test_share and split_seed.
        name: Of the train split, for messages.

    Raises:
        UserError: Too few examples: a split would be empty.
    """
    shares = {split: getattr(data, f"{split}_share") for split in missing}
    sizes = {split: round(num_examples * share) for split, share in shares.items()}
    left = num_examples - sum(sizes.values())
    if min(sizes.values()) < 1 or left < 1:
        raise _too_few(num_examples, shares, name)
    # numpy promises RandomState the same stream in every release: a split must outlive an upgrade.
    order = np.random.RandomState(data.split_seed).permutation(num_examples)
    ends = np.cumsum(list(sizes.values()))
    *parts, train = (np.sort(part).tolist() for part in np.split(order, ends))
    return Cut(
        train=train,
        parts=dict(zip(missing, parts, strict=True)),
        notes=tuple(
            f"no {split} split: cut {100 * shares[split]:.3g}% ({sizes[split]:,} of {num_examples:,} examples) "
            f"from train with seed {data.split_seed}"
            for split in missing
        ),
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
