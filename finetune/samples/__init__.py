"""Small real data sets, and one pretrained model, that need no Hub.

Each is taken from a published package, fetched once by pip, checked against its SHA-256 and kept in the cache. Here
lives what turns those packages into rows; nothing here knows tasks, tokenizers or tensors.
"""

from typing import Literal

from finetune.errors import UserError, nearest
from finetune.samples import address, interface, licence, minilm, sentiment
from finetune.samples.minilm import minilm_folder
from finetune.samples.package import Package
from finetune.samples.split import SampleRow, SampleSplits

__all__ = ["SOURCES", "Package", "SampleName", "SampleRow", "SampleSplits", "load_sample", "minilm_folder"]

SampleName = Literal["sentiment", "address", "interface", "licence"]

SOURCES: dict[str, tuple[Package, ...]] = {
    "sentiment": (sentiment.PACKAGE,),
    "address": (address.PACKAGE,),
    "interface": interface.PACKAGES,
    "licence": (licence.PACKAGE,),
    "minilm": (minilm.PACKAGE,),
}
"""The packages behind each sample, with their versions and licences."""


def load_sample(name: SampleName, columns: tuple[str, ...]) -> SampleSplits:
    """The asked columns of a sample's rows in the splits train, dev and test; the same rows on every machine.

    Args:
        name: `sentiment` (columns text, label, rating), `address` (tokens, labels), `licence` (text, label, key) or
            `interface` (a column for each language, named by its code: en, de, pt_BR).
        columns: Which columns the rows are to have.

    Raises:
        UserError: A package cannot be fetched, or the sample lacks a column.
    """
    if name == "interface":
        return interface.load_interface(columns)
    load, known = {
        "address": (address.load_address, address.COLUMNS),
        "licence": (licence.load_licence, licence.COLUMNS),
        "sentiment": (sentiment.load_sentiment, sentiment.COLUMNS),
    }[name]
    _check(name, columns, known)
    return {split: [{column: row[column] for column in columns} for row in rows] for split, rows in load().items()}


def _check(name: str, columns: tuple[str, ...], known: tuple[str, ...]) -> None:
    for column in columns:
        if column not in known:
            likely = nearest(column, known)
            raise UserError(
                f"the {name} sample has no column {column!r}",
                expected="one of " + ", ".join(known),
                fix=f"did you mean {likely!r}?" if likely else None,
            )
