"""Data in memory, which is written to files so that a run on it can be repeated and resumed.

The recipe of a run must name its data, and an object in memory has no name. So the rows are written to
`<output_dir>/<recipe>/data-<hash>/{train,dev,test}.parquet`, and `data.path` of the recipe is that folder. The hash is
that of the content: the same rows have the same folder, so that `resume=auto` finds the run again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import datasets
import pandas
import pyarrow as pa
import pyarrow.parquet as pq

from finetune import atomic
from finetune.data.messages import shorten_list
from finetune.errors import UserError, nearest

Table: TypeAlias = pandas.DataFrame | datasets.Dataset | pa.Table | Sequence[Mapping[str, Any]]
"""Rows of one split: a DataFrame (of pandas, or of another library with Arrow's C interface, such as polars), a
datasets.Dataset, a pyarrow.Table, or a list of dictionaries."""

InMemory: TypeAlias = Table | Mapping[str, Table]
"""One table, from which dev and test are cut, or tables by split: train, and optionally dev and test."""

_SPLITS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}
"""The names of splits in finetune, by the names that they have in other libraries."""
_EXPECTED = (
    "a DataFrame, a datasets.Dataset, a pyarrow.Table or a list of dictionaries; or a dictionary of these: "
    "train, dev, test"
)


def keep_data(data: InMemory, folder: Path) -> tuple[Path, dict[str, int]]:
    """Write the splits to files, unless files with the same content are there.

    Args:
        data: The rows.
        folder: Folder in which the folder of the data is made.

    Returns:
        The folder that holds `<split>.parquet`, and the number of rows by split.

    Raises:
        UserError: The data has an unsupported type, an unknown split or a column of mixed types, or it cannot be
            written.
    """
    tables = tables_of(data)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic.folder_aside(folder) as aside:
            written = aside / "data"
            written.mkdir()
            for split, table in tables.items():
                pq.write_table(table, written / f"{split}.parquet")
            kept = folder / f"data-{_hash(written)}"
            _move(written, kept)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            "the data in memory cannot be written to files",
            where=str(folder),
            found=str(error),
            fix="make room there, or name another folder: output_dir=...",
        ) from error
    return kept, {split: len(table) for split, table in tables.items()}


def _move(written: Path, kept: Path) -> None:
    """Give the folder its final name, unless a folder with the same content has it.

    Raises:
        UserError: A folder has the name, and its content was changed after it was written.
    """
    atomic.move_into_place(written, kept, keep_existing=True)
    if written.is_dir() and _hash(kept) != _hash(written):
        raise UserError(
            "the folder of these data was changed since it was made",
            where=str(kept),
            expected="the files as finetune wrote them",
            fix="move the folder away, or train on its files: data.path=...",
        )


def _hash(folder: Path) -> str:
    total = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            total.update(f"{path.name} {path.stat().st_size}\n".encode())
            total.update(hashlib.file_digest(file, "blake2b").digest())
    return total.hexdigest()


def tables_of(data: InMemory, *, needs_train: bool = True) -> dict[str, pa.Table]:
    """Return the rows as Arrow tables by split: train, and dev and test if they are given.

    Args:
        data: The rows.
        needs_train: Whether data without a train split are refused.

    Raises:
        UserError: The data has an unsupported type, an unknown split, or a column of mixed types.
    """
    if not isinstance(data, Mapping):
        return {"train": _some(to_table(data, "data"), "data")}
    tables: dict[str, pa.Table] = {}
    for name, given in data.items():
        split = _SPLITS.get(str(name).lower())
        if split is None:
            raise _unknown_split(name, data)
        if split in tables:
            raise UserError(f"the split {split} is given twice", where="data", found=shorten_list(list(map(str, data))))
        tables[split] = _some(to_table(given, f"data[{name!r}]"), f"data[{name!r}]")
    if needs_train and "train" not in tables:
        raise UserError(
            "there is no train split", where="data", found=shorten_list(list(map(str, data))) or "an empty dict"
        )
    return {split: tables[split] for split in ("train", "dev", "test") if split in tables}


def _some(table: pa.Table, where: str) -> pa.Table:
    """Return the table.

    Raises:
        UserError: It has no rows.
    """
    if table.num_rows == 0:
        raise UserError("there are no rows", where=where, expected="a row for each example", found="an empty table")
    return table


def _unknown_split(name: object, data: Mapping[Any, Any]) -> UserError:
    likely, given = nearest(str(name), _SPLITS), data[name]
    fix = f"did you mean {likely!r}?" if likely else f"leave {name!r} out"
    if isinstance(given, list | tuple) and not any(isinstance(one, Mapping) for one in given):
        fix = "columns make a table by pandas.DataFrame(data)"
    return UserError(
        f"{name!r} is not the name of a split",
        where="data",
        expected="train, dev (or validation) and test",
        found=shorten_list([str(one) for one in data]),
        fix=fix,
    )


def to_table(given: Any, where: str) -> pa.Table:
    """Return rows as an Arrow table with plain columns, with the class names of a Dataset in its metadata.

    Args:
        given: The rows.
        where: Name of the rows in messages.

    Raises:
        UserError: The rows have an unsupported type, a column of mixed types, or two columns of the same name.
    """
    if isinstance(given, pandas.DataFrame):
        return _of_frame(given, where)
    if isinstance(given, datasets.Dataset):
        table = given.with_format("arrow")[:]
        return _plain(table).replace_schema_metadata(given.features.arrow_schema.metadata)
    if isinstance(given, pa.Table):
        return _plain(given)
    if hasattr(given, "__arrow_c_stream__"):
        return _plain(pa.table(given))
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return _of_rows(given, where)
    fix = None
    if isinstance(given, str | Path):
        fix = 'a file is an override: {"data.path": ...}; a data set on the Hub, too: {"data.name": ...}'
    elif isinstance(given, datasets.IterableDataset):
        fix = "datasets.Dataset.from_list(list(data)); or a function that yields the rows, data.function=mine.py:load"
    found = f"{type(given).__name__}: {given!r:.80}"
    raise UserError("the data cannot be read", where=where, expected=_EXPECTED, found=found, fix=fix)


def _plain(table: pa.Table) -> pa.Table:
    """Return a table in one chunk, without metadata and categories, so that equal rows give equal files."""
    fields = [pa.field(field.name, _plain_type(field.type)) for field in table.schema]
    try:
        table = table.cast(pa.schema(fields))
    except pa.ArrowInvalid:  # a column with more than 2 GB of text in one chunk keeps its type
        table = table.replace_schema_metadata(None)
    return table.combine_chunks()


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column is written: one type for texts, one for lists, and no categories."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_plain_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(one.name, _plain_type(one.type)) for one in kind])
    return kind


def _of_frame(frame: pandas.DataFrame, where: str) -> pa.Table:
    names = [str(name) for name in frame.columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"the column {twice[0]!r} occurs twice", where=where, fix="rename one of them")
    return _from_columns({name: frame.iloc[:, number] for number, name in enumerate(names)}, where)


def _of_rows(rows: Sequence[Any], where: str) -> pa.Table:
    wrong = next((number for number, row in enumerate(rows) if not isinstance(row, Mapping)), None)
    if wrong is not None:
        raise UserError(
            "a row of the data is no dictionary",
            where=f"{where}, row {wrong} (counted from 0)",
            expected="{'text': ..., 'label': ...}",
            found=f"{rows[wrong]!r:.80}",
        )
    names = dict.fromkeys(str(name) for row in rows for name in row)
    return _from_columns({name: [row.get(name) for row in rows] for name in names}, where)


def _from_columns(columns: Mapping[str, Any], where: str) -> pa.Table:
    arrays = {}
    for name, values in columns.items():
        try:
            arrays[name] = pa.array(values, from_pandas=True)  # missing values of pandas become null
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise _mixed(name, list(values), where, error) from error
    return _plain(pa.table(arrays))


def _mixed(name: str, values: Sequence[Any], where: str, error: Exception) -> UserError:
    """Return the error for a column of mixed types, with the first row whose type differs from those before it."""
    first = next((value for value in values if not _is_missing(value)), None)
    other = next(
        (number for number, one in enumerate(values) if not _is_missing(one) and type(one) is not type(first)), None
    )
    if other is None:
        return UserError(f"column {name!r} cannot be read", where=where, found=str(error).splitlines()[0])
    return UserError(
        f"column {name!r} mixes types",
        where=f"{where}, row {other} (counted from 0)",
        expected=f"{type(first).__name__} throughout, as {first!r:.40}",
        found=f"{type(values[other]).__name__}: {values[other]!r:.40}",
        fix="write the values in one way",
    )


def _is_missing(value: Any) -> bool:
    return value is None or value is pandas.NA or (isinstance(value, float) and value != value)
