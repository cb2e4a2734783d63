"""Encoded examples in memory, or mapped into it. Each column is one flat array, so that a batch is a few slices."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from datasets import Dataset

from finetune import atomic, checksums
from finetune.data.batches import Indices

logger = logging.getLogger(__name__)

_LARGE = 2**30
"""Size in bytes above which a column that lies on a disk is mapped and not held in memory."""

FeatureRow: TypeAlias = Mapping[str, Any]
"""For each column a Python number, or a one-dimensional array of integers."""


@dataclass(frozen=True)
class Column:
    """A column of numbers, or of lists of integers one after another.

    Args:
        values: All numbers in the order of the rows: [rows], or [sum of the rows' lengths].
        offsets: The index in `values` where each row begins, and where the last row ends: int64 [rows + 1]. It is None
            if each row is one number.
    """

    values: npt.NDArray[np.integer[Any] | np.floating[Any]]
    offsets: Indices | None = None

    @classmethod
    def of(cls, stored: pa.ChunkedArray, file: Path | None = None) -> "Column":
        """Read an Arrow column, in the width of numbers that it is stored in.

        Args:
            stored: The column.
            file: The file that the integers of lists are written to if they are many, to be mapped into memory.
        """
        if pa.types.is_integer(stored.type) or pa.types.is_floating(stored.type):
            return cls(stored.to_numpy())
        chunks = stored.chunks or [pa.array([], stored.type)]
        lengths = np.concatenate([np.diff(chunk.offsets.to_numpy()) for chunk in chunks])
        if file is not None and stored.nbytes > _LARGE:
            return cls(_mapped(chunks, file), _offsets(lengths))
        return cls(np.concatenate([chunk.flatten().to_numpy() for chunk in chunks]), _offsets(lengths))

    def take(self, indices: Indices) -> "Column":
        """Return the rows of the indices, in their order, with integers as int64 and other numbers as float32."""
        if self.offsets is None:
            is_integer = np.issubdtype(self.values.dtype, np.integer)
            return Column(self.values[indices].astype(np.int64 if is_integer else np.float32))
        starts, ends = self.offsets[indices], self.offsets[indices + 1]
        bounds = zip(starts.tolist(), ends.tolist(), strict=True)
        rows = [self.values[:0], *(self.values[start:end] for start, end in bounds)]
        return Column(np.concatenate(rows).astype(np.int64), _offsets(ends - starts))

    def rows(self) -> list[Any]:
        """Return every row: a Python number, or a view of the row's integers."""
        if self.offsets is None:
            return list(self.values.tolist())
        offsets = self.offsets.tolist()
        return [self.values[start:end] for start, end in pairwise(offsets)]


class Features(Sequence[FeatureRow]):
    """Rows of numbers and of lists of integers, read by row or by column.

    For a batch, `columns["input_ids"].values` is the stream of its tokens, and `.offsets` says where each example
    begins.

    Args:
        columns: The columns by name, all of `size` rows.
        size: The number of rows.
    """

    def __init__(self, columns: Mapping[str, Column], size: int) -> None:
        self.columns = columns
        self._size = size

    @classmethod
    def of(cls, dataset: Dataset) -> "Features":
        """Read a data set's columns of numbers and lists of integers; other columns, such as booleans, are left out."""
        table: pa.Table = dataset.with_format("arrow")[:]
        names = [name for name in table.column_names if _holds_numbers(table[name].type)]
        folders = {Path(one["filename"]).parent for one in dataset.cache_files}
        folder = folders.pop() if len(folders) == 1 else None
        columns = {name: Column.of(table[name], folder and folder / f"{name}.values") for name in names}
        return cls(columns, len(dataset))

    def take(self, indices: Indices) -> "Features":
        """Return the rows of the indices, in their order, with integers as int64 and other numbers as float32."""
        return Features({name: column.take(indices) for name, column in self.columns.items()}, len(indices))

    def __len__(self) -> int:
        return self._size

    @overload
    def __getitem__(self, index: int) -> FeatureRow: ...

    @overload
    def __getitem__(self, index: slice) -> "Features": ...

    def __getitem__(self, index: int | slice) -> "FeatureRow | Features":
        chosen = np.arange(self._size)[index]
        return self.take(chosen) if isinstance(index, slice) else self.take(chosen[None])._rows[0]

    def __iter__(self) -> Iterator[FeatureRow]:
        return iter(self._rows)

    @cached_property
    def _rows(self) -> list[FeatureRow]:
        by_column = [column.rows() for column in self.columns.values()]
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*by_column, strict=True)]


def _mapped(chunks: Sequence[pa.ListArray], file: Path) -> npt.NDArray[np.integer[Any]]:
    """Return all integers as an array that is mapped from one file, which the processes of a machine share.

    The file is written if it is not there or is damaged.
    """
    kind = chunks[0].flatten().to_numpy().dtype
    size = sum(len(chunk.flatten()) for chunk in chunks)
    if not _is_whole(file):
        _write_values(chunks, file)
    return np.asarray(np.memmap(file, dtype=kind, mode="r", shape=(size,)))


def _is_whole(file: Path) -> bool:
    """Return whether a file of integers is as it was written; damage is logged."""
    try:
        expected = json.loads(_figures_of(file).read_text(encoding="utf-8"))
        if checksums.file_figures(file) == expected:
            return True
    except FileNotFoundError:
        return False
    except ValueError:
        pass
    logger.warning("the cached file %s is damaged, and is made anew", file)
    return False


def _write_values(chunks: Sequence[pa.ListArray], file: Path) -> None:
    with atomic.written_aside(file) as written:
        with written.open("wb") as opened:
            for chunk in chunks:
                chunk.flatten().to_numpy().tofile(opened)
        figures = json.dumps(checksums.file_figures(written))
    atomic.write_text(_figures_of(file), figures)


def _figures_of(file: Path) -> Path:
    """Return the path of the file that holds the size and the checksum of a file of integers."""
    return file.with_name(f"{file.name}.json")


def _offsets(lengths: npt.NDArray[np.integer[Any]]) -> Indices:
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _holds_numbers(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return bool(pa.types.is_integer(kind.value_type if is_list else kind) or pa.types.is_floating(kind))
