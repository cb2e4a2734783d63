"""Parquet."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from finetune.data.batched import ROWS
from finetune.data.fields import Field
from finetune.data.files.find import SplitFiles
from finetune.data.rows import Rows
from finetune.data.stored import rows_from_dataset
from finetune.errors import UserError
from finetune.recipe import Data


def read_parquet(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Rows of a parquet file; class names that `datasets` has stored with it are used.

    Raises:
        UserError: Missing columns, or a file that is not parquet.
    """
    path = source.paths[0]
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise _invalid(path, error) from None
    return rows_from_dataset(str(path), Dataset(table), fields)


def stream_parquet(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Iterator[Rows]:
    """The rows of a parquet file, some at a time.

    Raises:
        UserError: As for the whole.
    """
    path, first = source.paths[0], 0
    try:
        with pq.ParquetFile(path) as file:
            batches = ([batch] for batch in file.iter_batches(ROWS)) if file.metadata.num_rows else [[]]
            for batch in batches:
                table = pa.Table.from_batches(batch, file.schema_arrow)
                rows = rows_from_dataset(str(path), Dataset(table), fields)
                yield replace(rows, numbers=range(first, first + len(rows)), stored=None)
                first += len(rows)
    except (pa.ArrowException, OSError) as error:
        raise _invalid(path, error) from None


def _invalid(path: Path, error: Exception) -> UserError:
    return UserError("the file is not valid parquet", where=str(path), found=str(error))
