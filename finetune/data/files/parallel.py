"""Line-aligned files: line n of one is the translation of line n of the other."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from finetune.data.batched import batched
from finetune.data.fields import Field, asked_columns
from finetune.data.files.find import SplitFiles
from finetune.data.files.text import read_lines
from finetune.data.rows import ColumnValues, Rows
from finetune.errors import UserError
from finetune.recipe import Data


def stream_parallel(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Iterator[Rows]:
    """Return the rows of line-aligned files, some at a time.

    Raises:
        UserError: The files are of unequal length, or one of them cannot be read.
    """
    files = [(line.rstrip("\r\n") for line in read_lines(path, data.encoding)) for path in source.paths]
    first = 1
    for piece in batched(zip_longest(*files)):
        texts = [list(text) for text in zip(*piece, strict=True)]
        if any(None in text[-1:] for text in texts):
            read_parallel(source, data, fields)  # raises an error that says how many lines each file has
        columns: dict[str, ColumnValues] = dict(zip(asked_columns(fields), texts, strict=True))
        yield Rows(name=source.name, columns=columns, unit="line", numbers=range(first, first + len(piece)))
        first += len(piece)


def read_parallel(source: SplitFiles, data: Data, fields: Sequence[Field]) -> Rows:
    """Return the rows of line-aligned files, one file for each column.

    Raises:
        UserError: The files are of unequal length, or one of them cannot be read.
    """
    texts = [[line.rstrip("\r\n") for line in read_lines(path, data.encoding)] for path in source.paths]
    lengths = [len(text) for text in texts]
    if len(set(lengths)) > 1:
        raise UserError(
            "line-aligned files of unequal length",
            where=source.name,
            expected="as many lines in each",
            found=", ".join(
                f"{count:,} lines in {path.name}" for path, count in zip(source.paths, lengths, strict=True)
            ),
            fix="find the line where they part, and align them again",
        )
    return Rows(
        name=source.name,
        columns=dict(zip(asked_columns(fields), texts, strict=True)),
        unit="line",
        numbers=range(1, lengths[0] + 1),
    )
