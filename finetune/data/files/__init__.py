"""Local files of every format, read into rows with their line numbers.

`find` finds the files of each split, `dialects` and `encodings` find out how a file is written, and `text` decodes it.
Each format has one module with one reader, which training and prediction share: it yields rows and bad rows
(`bad_rows`), and training raises an error for bad rows. `finetune.data.reading` checks what the rows hold.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from finetune.data.fields import Field
from finetune.data.files.conll import read_conll
from finetune.data.files.delimited import read_delimited, stream_delimited
from finetune.data.files.dialects import find_dialect
from finetune.data.files.evaluation_files import evaluation_note
from finetune.data.files.find import SplitFiles, find_split_files, unused_note
from finetune.data.files.json_objects import read_json, read_jsonl, stream_jsonl
from finetune.data.files.memories import read_memory
from finetune.data.files.parallel import read_parallel, stream_parallel
from finetune.data.files.parquet import read_parquet, stream_parquet
from finetune.data.files.saved import read_saved
from finetune.data.messages import raise_merged
from finetune.data.rows import Rows, join
from finetune.errors import UserError
from finetune.recipe import Data

__all__ = ["read_files", "read_source", "stream_files", "stream_source"]

Reader = Callable[[SplitFiles, Data, Sequence[Field]], Rows]

_READERS: Mapping[str, Reader] = {
    "csv": read_delimited,
    "tsv": read_delimited,
    "json": read_json,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "conll": read_conll,
    "parallel": read_parallel,
    "saved": read_saved,
    "tmx": read_memory,
    "xliff": read_memory,
}


_STREAMS: Mapping[str, Callable[[SplitFiles, Data, Sequence[Field]], Iterator[Rows]]] = {
    "csv": stream_delimited,
    "tsv": stream_delimited,
    "jsonl": stream_jsonl,
    "parquet": stream_parquet,
    "parallel": stream_parallel,
}


def stream_files(data: Data, fields: Sequence[Field]) -> dict[str, tuple[tuple[Path, ...], Iterator[Rows]]]:
    """Return the paths of each split's files, and an iterator over their rows, some rows at a time.

    Raises:
        UserError: Files are missing or ambiguous, or of a format that can only be read as a whole. Errors in the rows
            are raised while they are iterated over.
    """
    return {split: _stream(sources, data, fields) for split, sources in find_split_files(data, fields).items()}


def _stream(
    sources: Sequence[SplitFiles], data: Data, fields: Sequence[Field]
) -> tuple[tuple[Path, ...], Iterator[Rows]]:
    whole = next((source for source in sources if source.format not in _STREAMS), None)
    if whole is not None:
        raise _unstreamable(whole)
    paths = tuple(path for source in sources for path in source.paths)
    return paths, (rows for source in sources for rows in stream_source(source, data, fields))


def stream_source(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Iterator[Rows]:
    """Return the rows of one source, some at a time, each piece with the notes on how the source is read.

    Raises:
        UserError: The source cannot be read, or files of its format can only be read as a whole.
    """
    dialect = find_dialect(source, data, fields)
    if dialect.source.format not in _STREAMS:
        raise _unstreamable(dialect.source)
    for rows in _STREAMS[dialect.source.format](dialect.source, dialect.data, fields):
        yield replace(rows, notes=(*dialect.notes, *rows.notes))


def _unstreamable(source: SplitFiles) -> UserError:
    return UserError(
        f"files of the format {source.format} cannot be streamed",
        where=source.name,
        expected=", ".join(_STREAMS),
        fix="convert the file, or data.streaming=false",
    )


def read_source(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Return the rows of one source, with the notes on how it is read.

    Raises:
        UserError: The source cannot be read.
    """
    dialect = find_dialect(source, data, fields)
    rows = _READERS[dialect.source.format](dialect.source, dialect.data, fields)
    return replace(rows, notes=(*dialect.notes, *rows.notes))


def read_files(data: Data, fields: Sequence[Field]) -> dict[str, Rows]:
    """Return the rows of the train split, and of those of the dev and test splits that have files.

    Raises:
        UserError: Files are missing or ambiguous, or cannot be read; the errors of all splits are raised at once.
    """
    splits, errors = {}, []
    found = find_split_files(data, fields)
    for split, sources in found.items():
        parts = []
        for source in sources:
            try:
                parts.append(read_source(source, data, fields))
            except UserError as error:
                errors.append(error)
        if len(parts) == len(sources):
            splits[split] = join(parts)
    raise_merged(errors)
    told = [
        evaluation_note(data, found.get("dev", ())),
        unused_note(data, [source for sources in found.values() for source in sources]),
    ]
    more = [note for note in told if note is not None]
    splits["train"] = replace(splits["train"], notes=(*splits["train"].notes, *more))
    return splits
