"""What a run was trained and tested on, in figures: sizes, lengths in tokens, labels, and what padding would cost."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from finetune.data.labels import NO_TARGET

if TYPE_CHECKING:
    from finetune.training.run import Run

MOST_LABELS = 100
"""Number of labels whose counts are kept, the most frequent ones."""


def split_figures(run: "Run") -> dict[str, Any]:
    """Return the figures of each split, for results.json.

    Args:
        run: The run.

    Returns:
        For each split `examples`, `features`, `tokens` (the total, the median, the 95th percentile and the longest
        feature, of inputs and outputs together), `cut` (the number of features whose text was cut, None for a task that
        cuts none), and `labels`, the counts of the most frequent labels, where there are any.
    """
    return {split: _figures(run, split) for split in run.examples}


def _figures(run: "Run", split: str) -> dict[str, Any]:
    encoded, examples, label = run.encoded[split], run.examples[split], run.task.label_field
    median, high = np.percentile(encoded.lengths, [50, 95]) if len(encoded.lengths) else (0.0, 0.0)
    counts = count_labels(examples, label) if label and label in examples.column_names else {}
    kept = sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:MOST_LABELS]
    return {
        "examples": len(examples),
        "features": len(encoded.lengths),
        "tokens": {
            "total": int(encoded.lengths.sum()),
            "median": float(median),
            "95%": float(high),
            "longest": int(encoded.lengths.max(initial=0)),
        },
        "cut": encoded.num_cut,
        "labels": dict(kept),
    }


def padding_figures(run: "Run") -> dict[str, Any]:
    """Return what padding would cost in the first epoch: the tokens, and the positions of rows padded to the longest.

    Args:
        run: The run.

    Returns:
        `tokens` and `padded_tokens` of all train batches, whether batches are `ragged`, and the lengths of the features
        of the `first_batch`.
    """
    lengths = run.encoded["train"].lengths
    batches = run.plan.epoch(0)
    return {
        "tokens": int(sum(lengths[batch].sum() for batch in batches)),
        "padded_tokens": int(sum(len(batch) * lengths[batch].max(initial=0) for batch in batches)),
        "ragged": run.context.ragged,
        "first_batch": lengths[batches[0]].tolist() if batches else [],
    }


def has_lists(split: Dataset, label_field: str) -> bool:
    """Return whether each example has a list of labels."""
    return bool(pa.types.is_list(split.features.arrow_schema.field(label_field).type))


def count_labels(split: Dataset, label_field: str) -> dict[str, int]:
    """Return how often each label occurs; empty where the labels are numbers.

    Args:
        split: The examples, with a label or a list of labels each.
        label_field: The column of the labels.
    """
    column: pa.ChunkedArray = split.select_columns([label_field]).with_format("arrow")[:][label_field]
    if pa.types.is_list(column.type):
        column = pc.list_flatten(column)
    if not pa.types.is_string(column.type):
        return {}
    counts = {one["values"]: one["counts"] for one in pc.value_counts(column).to_pylist()}
    return {label: count for label, count in counts.items() if label not in (NO_TARGET, None)}
