"""The examples of a run: three checked splits."""

from collections.abc import Callable
from dataclasses import dataclass

from datasets import Dataset

from finetune.errors import UserError

Locate = Callable[[str, int], str]
"""Tells an example's place from its split and its `id`, as the user knows it: file and line, or data set and row."""


def unplaced(split: str, example: int) -> str:
    """Return the place of an example of which only the `id` is known."""
    return f"the {split} split, example {example} (counted from 0)"


@dataclass(frozen=True)
class LoadedData:
    """The examples of a run.

    Args:
        train: The split that is learned from. Columns: `id` (int64, the example's number within its split as read; for
            a split that was cut from train, its number there) and one for each field (string, list of strings, or
            float64). Where the recipe has a column of groups, `GROUP` tells the group of each example.
        dev: The split that chooses the checkpoint; the same columns.
        test: The split that is scored at the end; the same columns, but for those of labels where it has none.
        labels: The names of the classes, in order, of each field that holds labels.
        notes: What the user should know about how the splits came about, in sentences.
        where: Tells an example's place, for messages.
        warnings: What the user should look at, told as errors are; a run goes on all the same.
    """

    train: Dataset
    dev: Dataset
    test: Dataset
    labels: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]
    where: Locate = unplaced
    warnings: tuple[UserError, ...] = ()
