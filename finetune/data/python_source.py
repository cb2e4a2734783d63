"""Rows that a function of the user's gives."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from datasets import Dataset

from finetune.data.fields import Field
from finetune.data.functions import find_function, told
from finetune.data.objects import rows_from_objects
from finetune.data.problems import raise_merged
from finetune.data.rows import Rows
from finetune.data.stored import rows_from_dataset
from finetune.errors import UserError
from finetune.recipe import Origin

_EXPECTED = "dictionaries ({'text': ..., 'label': ...}), one a row: a list, a generator or a datasets.Dataset"


def read_function(data: Origin, fields: Sequence[Field]) -> dict[str, Rows]:
    """The rows of the splits for which the function gives any.

    Raises:
        UserError: There is no such function, it fails, gives something else, nothing for train, or lacks a column.
    """
    assert data.function is not None
    function = find_function(data.function, "data.function")
    splits, errors = {}, []
    for split in ("train", "dev", "test"):
        try:
            with told(f"data.function fails for the split {split}", f"data.function={data.function}"):
                given = function(split)
                rows = None if given is None else _rows(f"{data.function}, split {split}", given, fields)
            if rows is not None:
                splits[split] = rows
        except UserError as error:
            errors.append(error)
    raise_merged(errors)
    if "train" not in splits:
        raise UserError(
            "data.function gives nothing for train",
            where=f"data.function={data.function}",
            expected=_EXPECTED,
            fix='return rows where the argument is "train", and None for splits that there are not',
        )
    return splits


def _rows(name: str, given: Any, fields: Sequence[Field]) -> Rows:
    if isinstance(given, Dataset):
        return rows_from_dataset(name, given, fields)
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise UserError("data.function gives no rows", where=name, expected=_EXPECTED, found=f"{given!r:.80}")
    objects = list(given)
    wrong = next((index for index, row in enumerate(objects) if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise UserError(
            "data.function gives a row that is no dictionary",
            where=f"{name}, row {wrong} (counted from 0)",
            expected=_EXPECTED,
            found=f"{objects[wrong]!r:.80}",
        )
    return rows_from_objects(name, objects, fields)
