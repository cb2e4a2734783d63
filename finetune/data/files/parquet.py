"""Parquet."""

import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from finetune.data.batched import ROWS
from finetune.data.fields import Field
from finetune.data.files.find import SplitFiles
from finetune.data.files.text import TextSource, open_bytes, translated_errors
from finetune.data.rows import Rows
from finetune.errors import UserError
from finetune.recipe import Data


def read_parquet(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Return the rows of a parquet file; class names that `datasets` has stored with it are used.

    Raises:
        UserError: Missing columns, or a file that is not parquet.
    """
    path = source.paths[0]
    with open_parquet(path) as file, _parquet_errors(path):
        table = file.read()
        table.validate(full=True)  # also that texts are UTF-8, which Arrow otherwise takes on trust
    return _rows(path, table, fields)


def stream_parquet(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Iterator[Rows]:
    """Return the rows of a parquet file, some at a time; one piece without rows if the file has none.

    Raises:
        UserError: Missing columns, or a file that is not parquet.
    """
    path, first = source.paths[0], 0
    with open_parquet(path) as file:
        batches = ([batch] for batch in parquet_batches(file, path, ROWS)) if file.metadata.num_rows else [[]]
        for batch in batches:
            with _parquet_errors(path):
                table = pa.Table.from_batches(batch, file.schema_arrow)
            rows = _rows(path, table, fields)
            yield replace(rows, numbers=range(first, first + len(rows)), stored=None)
            first += len(rows)


def _rows(path: Path, table: pa.Table, fields: Sequence[Field]) -> Rows:
    from datasets import Dataset  # these take half a second to import

    from finetune.data.stored import rows_from_dataset

    with _parquet_errors(path):
        dataset = Dataset(table)  # reads the features that `datasets` stored in the file's metadata
    return rows_from_dataset(str(path), dataset, fields)


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a parquet file, which may be packed by gzip.

    Raises:
        UserError: The file cannot be opened, or is not parquet.
    """
    with ExitStack() as stack:
        with translated_errors(TextSource(path)):
            file = stack.enter_context(open_bytes(path))
        with _parquet_errors(path):
            # Arrow reads a file by its name without Python's lock, and so faster.
            opened = stack.enter_context(pq.ParquetFile(file if path.suffix == ".gz" else path))
            _ = opened.schema_arrow.names  # not every damage to the schema is noticed before the names are read
        yield opened


def parquet_batches(file: pq.ParquetFile, path: Path, size: int) -> Iterator[pa.RecordBatch]:
    """Return the rows of a parquet file, up to `size` at a time.

    Raises:
        UserError: The file is damaged.
    """
    with _parquet_errors(path):
        for batch in file.iter_batches(size):
            batch.validate(full=True)
            yield batch


_DAMAGE = (pa.ArrowException, OSError, EOFError, zlib.error, ValueError, TypeError, LookupError, AttributeError)
"""What pyarrow and `datasets` raise for damaged pages, schemas and metadata."""


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        found = str(error) or type(error).__name__
        raise UserError("the file is not valid parquet", where=str(path), found=found) from None
