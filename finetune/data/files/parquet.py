"""Parquet."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from finetune.data.fields import Field
from finetune.data.files.find import Source
from finetune.data.rows import Rows
from finetune.data.stored import rows_from_dataset
from finetune.errors import UserError
from finetune.recipe import Data


def read_parquet(source: Source, data: Data, fields: Sequence[Field]) -> Rows:
    """Rows of a parquet file; class names that `datasets` has stored with it are used.

    Raises:
        UserError: Missing columns, or a file that is not parquet.
    """
    path = source.paths[0]
    try:
        table = pq.read_table(path, partitioning=None)
    except (pa.ArrowException, OSError) as error:
        raise UserError("the file is not valid parquet", where=str(path), found=str(error)) from None
    return rows_from_dataset(str(path), Dataset(table), fields)
