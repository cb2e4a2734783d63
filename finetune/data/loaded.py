"""The examples of a run: three checked splits."""

from dataclasses import dataclass

from datasets import Dataset


@dataclass(frozen=True)
class Loaded:
    """The examples of a run.

    Args:
        train: The split that is learned from. Columns: `id` (int64, the example's number within its split as read; for
            a split that was cut from train, its number there) and one for each field (string, list of strings, or
            float64).
        dev: The split that chooses the checkpoint; the same columns.
        test: The split that is scored at the end; the same columns.
        labels: The names of the classes, in order, of each field that holds labels.
        notes: What the user should know about how the splits came about, in sentences.
    """

    train: Dataset
    dev: Dataset
    test: Dataset
    labels: dict[str, tuple[str, ...]]
    notes: tuple[str, ...]
