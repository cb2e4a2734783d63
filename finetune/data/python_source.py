"""Rows that a function gives: the user's own (`data.function`), or that of an installed data set (`data.sample`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import chain, islice
from typing import Any

import pyarrow as pa
from datasets import Dataset

from finetune.data.batched import batched
from finetune.data.dict_rows import rows_from_objects
from finetune.data.fields import Field, asked_columns
from finetune.data.functions import as_user_error, find_data_set, find_function, takes_columns
from finetune.data.messages import raise_merged
from finetune.data.rows import Rows
from finetune.data.stored import rows_from_dataset
from finetune.errors import UserError
from finetune.recipe import DataSource

_EXPECTED = (
    "dictionaries ({'text': ..., 'label': ...}), one a row: a list, a generator, a DataFrame or a datasets.Dataset"
)


def read_function(data: DataSource, fields: Sequence[Field]) -> dict[str, Rows]:
    """Return the rows of the splits for which the function gives any.

    Args:
        data: The source; `function` comes before `sample`.
        fields: What the task reads.

    Raises:
        UserError: There is no such function, it fails, gives something else, nothing for train, or lacks a column.
    """
    splits, errors = {}, []
    for split, given in _call(data, fields).items():
        try:
            with _told(data, split):
                splits[split] = _rows(_name(data, split), given, data, fields)
        except UserError as error:
            errors.append(error)
    raise_merged(errors)
    return splits


def stream_function(data: DataSource, fields: Sequence[Field]) -> dict[str, Iterator[Rows]]:
    """Return the same rows, some at a time, so that a generator's are never in memory together.

    Raises:
        UserError: As for the whole; of rows, when they are asked for.
    """
    return {split: _stream(data, split, given, fields) for split, given in _call(data, fields).items()}


def _stream(data: DataSource, split: str, given: Any, fields: Sequence[Field]) -> Iterator[Rows]:
    name, start = _name(data, split), 0
    with _told(data, split):
        if isinstance(given, Dataset):
            yield rows_from_dataset(name, given, fields)
            return
        for piece in batched(given):
            yield _rows_of_objects(name, piece, data, fields, start)
            start += len(piece)


def _call(data: DataSource, fields: Sequence[Field]) -> dict[str, Any]:
    """Return what the function gives for the splits that there are."""
    function = _function(data)
    options = {"columns": asked_columns(fields)} if takes_columns(function) else {}
    given = {}
    for split in ("train", "dev", "test"):
        with _told(data, split):
            rows = function(split, **options)
            given[split] = None if rows is None else _some(_name(data, split), rows, data)
    if given["train"] is None:
        raise UserError(
            f"{_key(data)} gives nothing for train",
            where=_where(data),
            expected=_EXPECTED,
            fix='give rows where the argument is "train", and None or nothing for splits that there are not',
        )
    return {split: rows for split, rows in given.items() if rows is not None}


def _function(data: DataSource) -> Callable[..., Any]:
    if data.function is not None:
        return find_function(data.function, "data.function")
    assert data.sample is not None
    return find_data_set(data.sample, "data.sample")


def _key(data: DataSource) -> str:
    """Return the recipe's key that names the function."""
    return "data.sample" if data.function is None else "data.function"


def _where(data: DataSource) -> str:
    return f"{_key(data)}={data.sample if data.function is None else data.function}"


def _name(data: DataSource, split: str) -> str:
    """Return what a split is called in messages about its rows."""
    return f"the {data.sample} sample, split {split}" if data.function is None else f"{data.function}, split {split}"


def _some(name: str, given: Any, data: DataSource) -> Any:
    """Return rows that can be gone through once; None where there are none, as a generator cannot return None."""
    given = _as_rows(given)
    if isinstance(given, Dataset):
        return given if len(given) else None
    rows = iter(_iterable(name, given, data))
    first = list(islice(rows, 1))
    return chain(first, rows) if first else None


def _told(data: DataSource, split: str) -> AbstractContextManager[None]:
    return as_user_error(f"{_key(data)} fails for the split {split}", _where(data))


def _rows(name: str, given: Any, data: DataSource, fields: Sequence[Field]) -> Rows:
    if isinstance(given, Dataset):
        return rows_from_dataset(name, given, fields)
    return _rows_of_objects(name, list(given), data, fields, 0)


def _iterable(name: str, given: Any, data: DataSource) -> Iterable[Any]:
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise UserError(
            f"{_key(data)} gives no rows",
            where=name,
            expected=_EXPECTED,
            found=f"{' '.join(repr(given).split()):.80}",  # arrays are written in several lines
            fix="datasets.Dataset.from_dict(...) makes rows of columns" if isinstance(given, Mapping) else None,
        )
    return given


def _rows_of_objects(name: str, objects: list[Any], data: DataSource, fields: Sequence[Field], start: int) -> Rows:
    wrong = next((index for index, row in enumerate(objects) if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise UserError(
            f"{_key(data)} gives a row that is no dictionary",
            where=f"{name}, row {start + wrong} (counted from 0)",
            expected=_EXPECTED,
            found=f"{objects[wrong]!r:.80}",
        )
    plain = [{key: _plain(value) for key, value in row.items()} for row in objects]
    return rows_from_objects(name, plain, fields, numbers=range(start, start + len(objects)))


def _as_rows(given: Any) -> Any:
    """Return a table of another library as a list of dictionaries, one for each row; return other values as they are.

    Tables are data frames of pandas and polars, which are recognized by their methods since the libraries need not be
    installed, and tables of pyarrow.
    """
    if isinstance(given, Dataset):
        return given
    if hasattr(given, "iterrows") and hasattr(given, "to_dict"):  # pandas
        return given.to_dict("records")
    if hasattr(given, "iter_rows") and hasattr(given, "to_dicts"):  # polars
        return given.to_dicts()
    return given.to_pylist() if isinstance(given, pa.Table) else given


def _plain(value: Any) -> Any:
    """Return a number, an array or a tensor as Python's own; return None for an empty cell of pandas."""
    if hasattr(value, "tolist"):  # numpy, torch, pandas
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if type(value).__name__ in ("NAType", "NaTType") else value
