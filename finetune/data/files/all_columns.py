"""The first rows of a source with all its columns, for a look at data whose columns nobody has named yet."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

import pyarrow as pa

from finetune.data.batched import ROWS
from finetune.data.dict_rows import column_paths, rows_from_objects
from finetune.data.fields import Field
from finetune.data.files.conll import conll_columns, read_conll
from finetune.data.files.delimited import stream_delimited, table_columns
from finetune.data.files.dialects import find_dialect
from finetune.data.files.find import SplitFiles
from finetune.data.files.json_objects import first_objects
from finetune.data.files.memories import translation_units
from finetune.data.files.parallel import stream_parallel
from finetune.data.files.parquet import open_parquet, parquet_batches
from finetune.data.files.saved import load_saved
from finetune.data.files.text import read_lines
from finetune.data.spans import as_words
from finetune.errors import UserError
from finetune.recipe import Data

WORD_FIELDS = (Field("tokens", "words", "tokens"), Field("labels", "word_labels", "labels"))
"""The fields of token classification, by their usual columns."""
_MOST_COLUMNS = 200
"""The number of columns that are read; a table of more holds measurements."""
_MOST_LINES = 200_000
"""The number of lines of a file of CoNLL columns that are read."""

AllColumns: TypeAlias = dict[str, list[Any]]


@dataclass(frozen=True)
class FirstRows:
    """The first rows of a source.

    Args:
        source: The source; its format may be another than its name says.
        data: The recipe's section, with encoding and delimiter filled in.
        columns: The values of each column, by name, as Python objects.
        is_whole: Whether the source has no other rows.
        notes: Sentences that say what was found out about how the source is written.
        header: The first row of a table whose columns the recipe does not name; empty for others.
    """

    source: SplitFiles
    data: Data
    columns: AllColumns
    is_whole: bool
    notes: tuple[str, ...] = ()
    header: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def read_first_rows(source: SplitFiles, data: Data, names: Sequence[str] = ()) -> FirstRows:
    """Read at most 10,000 rows of a source, or 200,000 lines of CoNLL columns, with all columns.

    Args:
        source: The source.
        data: The recipe's section, as far as the user has given it.
        names: Names of the columns of line-aligned files, in the order of the files.

    Raises:
        UserError: The source cannot be read, or one of these rows is wrong.
    """
    dialect = find_dialect(source, data, WORD_FIELDS)
    if dialect.source.format != "conll":
        dialect = find_dialect(source, data, ())
    if dialect.source.format == "parallel":
        columns, is_whole, notes = _parallel(dialect.source, dialect.data, names)
    else:
        columns, is_whole, notes = _READERS[dialect.source.format](dialect.source, dialect.data)
    is_open = dialect.source.format in ("csv", "tsv") and dialect.data.column_names is None
    header = table_columns(dialect.source, dialect.data) if is_open else ()
    return FirstRows(dialect.source, dialect.data, columns, is_whole, (*dialect.notes, *notes), header)


_Read: TypeAlias = tuple[AllColumns, bool, tuple[str, ...]]


def _first_names(names: Sequence[str], where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names that are looked at, and a note where there are more."""
    names = [name for name in names if name]  # no key of a recipe can name a column without a name
    if len(names) <= _MOST_COLUMNS:
        return tuple(names), ()
    return tuple(names[:_MOST_COLUMNS]), (f"{where}: the first {_MOST_COLUMNS} of {len(names):,} columns are read",)


def _text_fields(names: Sequence[str]) -> list[Field]:
    return [Field(name, "text", name) for name in names]


def _lists(columns: Mapping[str, Any]) -> AllColumns:
    return {name: values if isinstance(values, list) else values.to_pylist() for name, values in columns.items()}


def _delimited(source: SplitFiles, data: Data) -> _Read:
    header = table_columns(source, data)
    once = [name for name in header if header.count(name) == 1]  # a column of another's name cannot be asked for
    names, notes = _first_names(once, source.name)
    if not names:
        return {}, True, notes
    rows = next(stream_delimited(source, data, _text_fields(names)))
    return _lists(rows.columns), len(rows) < ROWS, notes


def _objects(source: SplitFiles, data: Data) -> _Read:
    objects, numbers, unit = first_objects(source, data, ROWS)
    with_words, span_notes = as_words(source.name, objects, WORD_FIELDS, unit, numbers)
    paths = dict.fromkeys(path for row in with_words for path in column_paths(row))
    names, notes = _first_names(list(paths), source.name)
    if not names:
        return {}, True, notes
    rows = rows_from_objects(source.name, with_words, _text_fields(names), unit=unit, numbers=numbers)
    return _lists(rows.columns), len(objects) < ROWS, (*span_notes, *notes)


def _parquet(source: SplitFiles, data: Data) -> _Read:
    path = source.paths[0]
    with open_parquet(path) as file:
        batch = next(parquet_batches(file, path, ROWS), None)
        is_whole = file.metadata.num_rows <= ROWS
        table = pa.Table.from_batches([] if batch is None else [batch], file.schema_arrow)
    columns, notes = _of_table(table, source.name)
    return columns, is_whole, notes


def _of_table(table: pa.Table, where: str) -> tuple[AllColumns, tuple[str, ...]]:
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()  # names inner columns by dotted paths
    once = [name for name in table.column_names if table.column_names.count(name) == 1]
    names, notes = _first_names(once, where)
    try:
        return {name: table[name].to_pylist() for name in names}, notes
    except (ValueError, OverflowError) as error:  # texts or dates of a damaged file
        raise UserError("the file holds values that cannot be read", where=where, found=str(error)) from None


def _saved(source: SplitFiles, data: Data) -> _Read:
    dataset = load_saved(source.paths[0])
    first = dataset.select(range(min(len(dataset), ROWS))).flatten_indices()
    columns, notes = _of_table(first.data.table, source.name)
    return columns, len(dataset) <= ROWS, notes


def _conll(source: SplitFiles, data: Data) -> _Read:
    names = conll_columns(source, data, _MOST_LINES)
    if len(names) < 2:
        read_conll(source, data, WORD_FIELDS, _MOST_LINES)  # raises the error that training would
    fields = [Field(name, "words", name) for name in names]
    rows = read_conll(source, data.model_copy(update={"column_names": names}), fields, _MOST_LINES)
    count = sum(1 for _ in islice(read_lines(source.paths[0], data.encoding), _MOST_LINES + 1))
    return _lists(rows.columns), count <= _MOST_LINES, ()


def _memory(source: SplitFiles, data: Data) -> _Read:
    units = list(islice(translation_units(source.paths[0], source.format), ROWS + 1))
    languages = dict.fromkeys(language for unit in units for language in unit)
    columns = {language: [unit.get(language) for unit in units[:ROWS]] for language in languages}
    return columns, len(units) <= ROWS, ()


def _parallel(source: SplitFiles, data: Data, names: Sequence[str]) -> _Read:
    rows = next(stream_parallel(source, data, _text_fields(names)))
    return _lists(rows.columns), len(rows) < ROWS, ()


_READERS: Mapping[str, Callable[[SplitFiles, Data], _Read]] = {
    "csv": _delimited,
    "tsv": _delimited,
    "json": _objects,
    "jsonl": _objects,
    "parquet": _parquet,
    "conll": _conll,
    "saved": _saved,
    "tmx": _memory,
    "xliff": _memory,
}
