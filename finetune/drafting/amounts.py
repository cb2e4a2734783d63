"""How data are split, and how long they are trained on, by the number of rows."""

import math
from collections.abc import Sequence

from finetune.drafting.keys import DraftedKey

_FEW_ROWS = 50
"""`finetune check` warns of dev and test splits with fewer rows."""
_FEW_STEPS = 200
_EPOCHS = ((1_000, 10), (10_000, 5), (100_000, 3))
"""Epochs for up to so many rows."""
_BATCH_SIZE = 32
_MOST_EPOCHS = 30
_MORE_FROM_SCRATCH = 3


def split_keys(rows: int, splits: Sequence[str], *, is_whole: bool) -> list[DraftedKey]:
    """Return the shares of dev and test that are cut from train, where they have no files.

    Args:
        rows: The number of rows of train that were read.
        splits: The splits that have files.
        is_whole: Whether these are all rows.
    """
    missing = [split for split in ("dev", "test") if split not in splits]
    share = 0.1 if not is_whole or not rows else min(max(0.1, math.ceil(100 * _FEW_ROWS / rows) / 100), 0.2)
    keys = []
    for split in missing:
        count = f", about {round(share * rows):,} rows" if is_whole else ""
        reason = f"cut from train{count}"
        keys.append(DraftedKey(f"data.{split}_share", share, reason))
    return keys


def amount_keys(rows: int, splits: Sequence[str], *, is_whole: bool, from_scratch: bool) -> list[DraftedKey]:
    """Return epochs and batch size, with the number of optimizer steps that they make.

    Args:
        rows: The number of rows of train that were read, before dev and test are cut from it.
        splits: The splits that have files.
        is_whole: Whether these are all rows.
        from_scratch: Whether the weights are random.
    """
    cut = sum(float(one.value) for one in split_keys(rows, splits, is_whole=is_whole))
    train = max(1, round(rows * (1 - cut)))
    batch_size = _BATCH_SIZE if train > 2_000 else 16 if train > 200 else 8
    epochs = next((number for most, number in _EPOCHS if train <= most), 2) if is_whole else 3
    steps_per_epoch = math.ceil(train / batch_size)
    epochs = min(max(epochs, math.ceil(_FEW_STEPS / steps_per_epoch)), _MOST_EPOCHS)
    epochs *= _MORE_FROM_SCRATCH if from_scratch else 1
    of_rows = f"{train:,} rows of train" if is_whole else f"more than {train:,} rows of train"
    reason = f"{of_rows}: {steps_per_epoch * epochs:,} steps" + ("" if is_whole else " or more")
    smaller = "smaller for few rows, so that there are more steps" if batch_size < _BATCH_SIZE else ""
    scratch = "; random weights need longer" if from_scratch else ""
    return [
        DraftedKey("training.epochs", epochs, reason + scratch),
        DraftedKey("training.batch_size", batch_size, smaller),
    ]
