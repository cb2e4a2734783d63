"""Local files of every format, read into rows that know their lines.

Here lives what finds the files of each split (`find`), decodes them (`text`) and parses them, one format a module.
What the rows must hold is checked by the package above.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from finetune.data.fields import Field
from finetune.data.files.conll import read_conll
from finetune.data.files.delimited import read_csv, read_tsv, stream_delimited
from finetune.data.files.find import SplitFiles, find_split_files
from finetune.data.files.json_objects import read_json, read_jsonl, stream_jsonl
from finetune.data.files.parallel import read_parallel, stream_parallel
from finetune.data.files.parquet import read_parquet, stream_parquet
from finetune.data.messages import raise_merged
from finetune.data.rows import Rows, join
from finetune.errors import UserError
from finetune.recipe import Data

__all__ = ["read_files", "stream_files"]

Reader = Callable[[SplitFiles, Data, Sequence[Field]], Rows]

_READERS: Mapping[str, Reader] = {
    "csv": read_csv,
    "tsv": read_tsv,
    "json": read_json,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "conll": read_conll,
    "parallel": read_parallel,
}


_STREAMS: Mapping[str, Callable[[SplitFiles, Data, Sequence[Field]], Iterator[Rows]]] = {
    "csv": stream_delimited,
    "tsv": stream_delimited,
    "jsonl": stream_jsonl,
    "parquet": stream_parquet,
    "parallel": stream_parallel,
}


def stream_files(data: Data, fields: Sequence[Field]) -> dict[str, tuple[tuple[Path, ...], Iterator[Rows]]]:
    """Each split's files, and their rows some at a time.

    Raises:
        UserError: Files are missing or ambiguous, or of a format that can be read as a whole alone.
    """
    return {split: _stream(sources, data, fields) for split, sources in find_split_files(data, fields).items()}


def _stream(
    sources: Sequence[SplitFiles], data: Data, fields: Sequence[Field]
) -> tuple[tuple[Path, ...], Iterator[Rows]]:
    whole = next((source for source in sources if source.format not in _STREAMS), None)
    if whole is not None:
        raise UserError(
            f"files of the format {whole.format} cannot be streamed",
            where=whole.name,
            expected=", ".join(_STREAMS),
            fix="convert the file, or data.streaming=false",
        )
    paths = tuple(path for source in sources for path in source.paths)
    return paths, (rows for source in sources for rows in _STREAMS[source.format](source, data, fields))


def read_files(data: Data, fields: Sequence[Field]) -> dict[str, Rows]:
    """The rows of the train split and of those of dev and test that have files.

    Raises:
        UserError: Files are missing, ambiguous, or cannot be read; told for all splits at once.
    """
    splits, errors = {}, []
    for split, sources in find_split_files(data, fields).items():
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
