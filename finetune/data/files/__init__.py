"""Local files of every format, read into rows that know their lines.

Here lives what finds the files of each split (`find`), decodes them (`text`) and parses them, one format a module.
What the rows must hold is checked by the package above.
"""

from collections.abc import Callable, Mapping, Sequence

from finetune.data.fields import Field
from finetune.data.files.conll import read_conll
from finetune.data.files.delimited import read_csv, read_tsv
from finetune.data.files.find import Source, find_sources
from finetune.data.files.json_objects import read_json, read_jsonl
from finetune.data.files.parallel import read_parallel
from finetune.data.files.parquet import read_parquet
from finetune.data.problems import raise_merged
from finetune.data.rows import Rows, join
from finetune.errors import UserError
from finetune.recipe import Data

__all__ = ["read_files"]

Reader = Callable[[Source, Data, Sequence[Field]], Rows]

_READERS: Mapping[str, Reader] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "json": read_json,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "conll": read_conll,
    "parallel": read_parallel,
}


def read_files(data: Data, fields: Sequence[Field]) -> dict[str, Rows]:
    """The rows of the train split and of those of dev and test that have files.

    Raises:
        UserError: Files are missing, ambiguous, or cannot be read; told for all splits at once.
    """
    splits, errors = {}, []
    for split, sources in find_sources(data, fields).items():
        parts = []
        for source in sources:
            try:
                parts.append(_READERS[source.format](source, data, fields))
            except UserError as error:
                errors.append(error)
        if len(parts) == len(sources):
            splits[split] = join(parts)
    raise_merged(errors)
    return splits
