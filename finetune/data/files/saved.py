"""Folders that were written by `datasets.Dataset.save_to_disk`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.data.fields import Field
from finetune.data.files.find import SplitFiles
from finetune.data.rows import Rows
from finetune.errors import UserError
from finetune.recipe import Data

if TYPE_CHECKING:
    from datasets import Dataset


def read_saved(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Return the rows of a saved data set, with its class names; its columns are mapped into memory and not copied.

    Raises:
        UserError: Missing columns, or a folder that cannot be read.
    """
    path = source.paths[0]
    dataset = load_saved(path)
    from finetune.data.stored import rows_from_dataset  # it takes half a second to import

    return rows_from_dataset(str(path), dataset, fields)


def load_saved(path: Path) -> Dataset:
    """Return a saved data set; its columns are mapped into memory.

    Raises:
        UserError: The folder cannot be read.
    """
    import datasets

    try:
        loaded = datasets.load_from_disk(str(path))
        assert isinstance(loaded, datasets.Dataset)
    except Exception as error:  # whatever a damaged file makes datasets or pyarrow raise
        raise UserError(
            "the saved data set cannot be read", where=str(path), found=f"{type(error).__name__}: {error}"
        ) from None
    return loaded
