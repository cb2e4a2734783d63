"""Data that are larger than memory: rows are written to the disk as they are read, and mapped into memory.

Everything after that, from checks to batches, is the same as for other data: an Arrow table whose pages the operating
system loads when they are read, and drops when it needs the memory. All processes of a machine map the same file.

Rows of files are kept in `rows/` of the cache folder. They are found again by the names, sizes and modification times
of the files, and by the keys of the recipe that say how they are read. Above 50 GB, the rows that were not used for the
longest time are deleted. Rows of a Python function are read again by each process, since there is no way to see
whether the function would return the same rows.
"""

import atexit
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil
import pyarrow as pa
from datasets import Dataset

from finetune.cache_folder import cache_folder
from finetune.data.cache import prune_cache, read_or_make, translated_errors
from finetune.data.columns import canonical_column
from finetune.data.empty import filled_rows
from finetune.data.fields import Field
from finetune.data.files import stream_files
from finetune.data.filtering import Filter
from finetune.data.forms import ListForms, find_list_forms, refuse_late_lists
from finetune.data.messages import Unit, plural, raise_merged
from finetune.data.python_source import stream_function
from finetune.data.rows import ColumnValues, Rows, join
from finetune.data.targets import infer_label_kinds
from finetune.errors import UserError
from finetune.recipe import Data

_ROWS, _ABOUT = "rows.arrow", "about.json"
_NUMBER = "(line or row)"
"""The column that holds each row's line or number, for messages."""
_MOST_ERRORS = 20
"""Pieces with wrong rows after which reading ends."""
_MOST_BYTES = 50 * 2**30
"""Size of all rows that are kept, in bytes."""
_VERSION = 3
"""It is part of each folder's name; a new number makes rows that were written before unused."""


@dataclass
class _Written:
    """A description of rows that were written to the disk, which is stored beside them as JSON.

    Args:
        parts: The name of each file, the unit that its rows are counted in, and how many of its rows are kept.
        num_read: How many rows were read.
        class_names: Names of the classes of columns that held class numbers.
        notes: Sentences that say how the files, and lists in the columns, were read.
    """

    parts: list[tuple[str, Unit, int]] = field(default_factory=list)
    num_read: int = 0
    class_names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def add(self, rows: Rows, kept: int) -> None:
        """Add a piece of a file's rows, of which `kept` rows are kept."""
        self.num_read += len(rows)
        self.notes = tuple(dict.fromkeys([*self.notes, *rows.notes]))
        if self.parts and self.parts[-1][0] == rows.name:
            kept += self.parts.pop()[2]
        self.parts.append((rows.name, rows.unit, kept))


def stream(
    data: Data, fields: Sequence[Field], keep: Filter | None, extras: Sequence[Field], slices: Sequence[str] = ()
) -> tuple[dict[str, Rows], tuple[str, ...]]:
    """Return the rows of every split that the filter keeps, mapped from the disk, and notes for the user.

    Args:
        data: The recipe's section with a function or a path; its group column is kept beside the fields' columns.
        fields: What the task reads; the values are checked while the rows are read.
        keep: The recipe's filter; None keeps all rows.
        extras: The columns that the filter, the groups and the slices read.
        slices: The columns by which scores are sliced, which are kept, too.

    Raises:
        UserError: The source cannot be found or read, rows are wrong, or the cache cannot be read or written.
    """
    splits, notes, errors = {}, [], []
    used: list[Path] = []
    for split, folder, source in _sources(data, (*fields, *extras), keep):
        try:
            with translated_errors(folder):
                splits[split], note = _read_or_write(folder, source, _Converter(data, fields, keep, slices))
                os.utime(folder)
            notes += note
            used.append(folder)
        except UserError as error:
            errors.append(error)
    raise_merged(errors)
    with translated_errors(used[0].parent):
        prune_cache(used[0].parent, {folder.name for folder in used}, _MOST_BYTES)
    return splits, tuple(dict.fromkeys(notes))


def _sources(data: Data, fields: Sequence[Field], keep: Filter | None) -> Iterator[tuple[str, Path, Iterator[Rows]]]:
    """Return each split's name, the folder that its rows are written to, and the rows some at a time."""
    cache = cache_folder()
    with translated_errors(cache):
        cache.mkdir(parents=True, exist_ok=True)
        aside = None if data.function is None else _own_folder(cache)
    if aside is not None:
        for split, rows in stream_function(data, fields).items():
            yield split, aside / split, rows
        return
    for split, (paths, rows) in stream_files(data, fields).items():
        yield split, cache / "rows" / _hash(paths, data, fields, keep), rows


def _own_folder(cache: Path) -> Path:
    """Return a new folder that is deleted when this process ends.

    Folders of processes of this machine that were killed are deleted now.
    """
    start = f".rows-of-function-{platform.node()}-"
    for left in cache.glob(f"{start}*"):
        if not psutil.pid_exists(int(left.name.removeprefix(start).partition("-")[0])):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(dir=cache, prefix=f"{start}{os.getpid()}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _hash(paths: Sequence[Path], data: Data, fields: Sequence[Field], keep: Filter | None) -> str:
    files = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    options = (
        data.format,
        data.encoding,
        data.delimiter,
        data.column_names,
        data.labels,
        data.on_empty,
        keep.version if keep else None,
    )
    return hashlib.blake2b(repr((_VERSION, files, options, list(fields))).encode(), digest_size=16).hexdigest()


class _Converter:
    """Turns pieces of rows into tables of one schema.

    The first piece determines how lists are written, and of which kind the labels are.

    Args:
        data: The recipe's section.
        fields: What is read of each row.
        keep: The recipe's filter; None keeps all rows.
        slices: The columns by which scores are sliced, which are kept beside those of the fields.
    """

    def __init__(self, data: Data, fields: Sequence[Field], keep: Filter | None, slices: Sequence[str] = ()) -> None:
        self.fields = tuple(fields)
        self.kept = [*filter(None, [data.group_column]), *slices]
        self.labels = data.labels
        self.keep = keep
        self.skips_empty = data.on_empty == "skip"
        self.num_empty = 0
        self.forms: ListForms | None = None
        self.class_names: dict[str, tuple[str, ...]] = {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences that say how lists in the columns were read, and how many rows were left out."""
        forms = () if self.forms is None else self.forms.notes(self.fields, self.labels)
        return (*forms, *([f"{plural(self.num_empty, 'row')} left out (data.on_empty=skip)"] if self.num_empty else []))

    def table(self, rows: Rows) -> pa.Table:
        """Return the checked columns of the rows that are kept, by the user's names, and the rows' numbers.

        Raises:
            UserError: Rows are wrong.
        """
        rows = rows if self.keep is None else self.keep.select(rows)
        rows = self._formed(rows)
        if self.skips_empty:
            filled = filled_rows(rows, self.fields)
            self.num_empty += len(rows) - len(filled)
            rows = filled
        columns = {one.column: canonical_column(rows, one) for one in reversed(self.fields)}
        for name in self.kept:
            if name not in columns:
                values = rows.columns[name]
                objects = values if isinstance(values, list) else values.to_pylist()
                columns[name] = pa.array([None if one is None else str(one) for one in objects], pa.string())
        numbers = range(len(rows)) if rows.numbers is None else rows.numbers
        return pa.table({**columns, _NUMBER: pa.array(numbers, pa.int64())})

    def _formed(self, rows: Rows) -> Rows:
        """Return the rows with their lists read in the form in which the first piece has them."""
        is_first = self.forms is None
        forms = self.forms or find_list_forms([rows], self.fields)
        refuse_late_lists(forms, rows, self.fields)
        formed = forms.apply(rows, self.fields, self.labels)
        if is_first:
            self.forms, self.fields = forms, infer_label_kinds(self.fields, formed)
        self.class_names = dict(formed.class_names)
        return formed


def _read_or_write(folder: Path, source: Iterator[Rows], converter: _Converter) -> tuple[Rows, list[str]]:
    """Return the rows of a folder of the cache, and notes; they are written into it if it does not hold them.

    Raises:
        UserError: Rows are wrong; the errors of up to 20 pieces are raised at once.
        OSError: The cache cannot be read or written.
    """

    def write(made: Path) -> None:
        written = _write_rows(made / _ROWS, source, converter)
        (made / _ABOUT).write_text(json.dumps(asdict(written)), encoding="utf-8")

    return read_or_make(folder, write, lambda held: _read(held, converter.keep))


def _write_rows(path: Path, source: Iterator[Rows], converter: _Converter) -> _Written:
    """Write rows to a file as a stream of Arrow record batches, and return their description."""
    written = _Written()
    errors: list[UserError] = []
    with ExitStack() as stack:
        writer = None
        for rows in _until_error(source, errors):
            try:
                table = converter.table(rows)
            except UserError as error:
                errors.append(error)
                if len(errors) == _MOST_ERRORS:
                    break
                continue
            writer = writer or stack.enter_context(pa.ipc.new_stream(str(path), table.schema))
            writer.write_table(table)
            written.add(rows, len(table))
    raise_merged(errors)
    written.notes, written.class_names = (*written.notes, *converter.notes), converter.class_names
    return written


def _until_error(source: Iterator[Rows], errors: list[UserError]) -> Iterator[Rows]:
    """Return the rows of a source until it raises an error, which is appended to the errors."""
    try:
        yield from source
    except UserError as error:
        errors.append(error)


def _read(folder: Path, keep: Filter | None) -> tuple[Rows, list[str]]:
    """Return the rows of a folder, mapped into memory, and notes on their lists and on the filter.

    Raises:
        UserError: The filter keeps no row.
    """
    about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    dataset = Dataset.from_file(str(folder / _ROWS))
    numbers = dataset.data.table[_NUMBER].to_numpy()
    stored = dataset.remove_columns(_NUMBER)
    name = about["parts"][0][0]
    if keep is not None and not len(dataset):
        raise UserError(f"data.filter keeps none of {plural(about['num_read'], 'row')}", where=name, found=keep.text)
    class_names = {column: tuple(names) for column, names in about["class_names"].items()}
    parts, start = [], 0
    for name, unit, count in about["parts"]:
        piece = stored.select(range(start, start + count))
        columns: dict[str, ColumnValues] = {column: piece.data.table[column] for column in piece.column_names}
        parts.append(Rows(name, columns, unit, numbers[start : start + count], class_names, piece))
        start += count
    rows = join([part for part in parts if len(part)] or parts[:1])
    if keep is None:
        return rows, about["notes"]
    return rows, [
        *about["notes"],
        f"{rows.name}: data.filter keeps {len(rows):,} of {plural(about['num_read'], 'row')}",
    ]
