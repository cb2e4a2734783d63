"""A quick look at local files, for errors that can be reported before heavy libraries are imported."""

from collections.abc import Sequence

from finetune.data.fields import Field
from finetune.data.files import read_source, stream_source
from finetune.data.files.find import SplitFiles, find_split_files
from finetune.data.messages import raise_merged
from finetune.data.one_hot import parts_of
from finetune.errors import UserError
from finetune.recipe import Data

_SMALL = 4 * 2**20
"""Size in bytes up to which a file is read whole, in well under a second."""
_SAME_COLUMNS = ("csv", "tsv", "parquet", "parallel")
"""Formats in which all rows have the same columns, so that the first rows show whether one is missing."""


def check_first_rows(data: Data, fields: Sequence[Field]) -> None:
    """Check that the files of all splits can be found, and that their first rows have the columns that fields read.

    Small files are read whole, and large ones as far as their first rows tell. Data that do not come from local files,
    or from several sources, are not looked at. What passes is checked again when the data are read for the run.

    Raises:
        UserError: A file is missing or cannot be read, or a column is missing; errors of all splits are raised at once.
    """
    if data.sources or data.function is not None or data.path is None:
        return
    parts = parts_of(fields)
    errors = []
    for sources in find_split_files(data, parts).values():
        for source in sources:
            try:
                _look_at(source, data, parts)
            except UserError as error:
                errors.append(error)
    raise_merged(errors)


def _look_at(source: SplitFiles, data: Data, fields: Sequence[Field]) -> None:
    if source.format == "saved":
        return
    if sum(path.stat().st_size for path in source.paths) <= _SMALL:
        read_source(source, data, fields)
    elif source.format in _SAME_COLUMNS:
        next(stream_source(source, data, fields), None)
