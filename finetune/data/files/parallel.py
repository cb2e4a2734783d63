"""Line-aligned files: line n of one is the translation of line n of the other."""

from collections.abc import Sequence

from finetune.data.fields import Field, asked_columns
from finetune.data.files.find import Source
from finetune.data.files.text import read_lines
from finetune.data.rows import Rows
from finetune.errors import UserError
from finetune.recipe import Data


def read_parallel(source: Source, data: Data, fields: Sequence[Field]) -> Rows:
    """Rows of line-aligned files, one file a field.

    Raises:
        UserError: Files of unequal length, or one that cannot be read.
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
